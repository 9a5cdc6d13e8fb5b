import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Peer of the Kafka backlog case: Kafka Streams counts the events of a topic by type and minute in
 * its RocksDB store, on two stream threads.
 *
 * <p>"grouped" is what a user of Streams writes: groupBy and count, so every event goes through a
 * repartition topic, and a count stands in one place. "local" is much less work for Streams: a
 * processor counts what its own partition holds, and whoever asks adds the partitions up, as the
 * platform does.
 *
 * <p>The clock runs from the state RUNNING until the store holds the counts of all events; that they
 * are committed is not waited for. Then one line of JSON tells events, seconds, processor seconds of
 * this process in that time, and its most resident memory.
 *
 * <pre>java ... CountByMinute BOOTSTRAP TOPIC single|batched EVENTS grouped|local STATE_FOLDER</pre>
 */
public final class CountByMinute {
  private static final String STORE = "counts";
  private static final int THREADS = 2;
  private static final long MINUTE_MS = 60_000;
  private static final long LOOK_EVERY_MS = 20;
  private static final byte[] NOTHING = {};

  /** What is counted by; all else is not even made an object of. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record Event(
      @JsonProperty("event_type") String type, @JsonProperty("timestamp") long timestampMs) {
    String bucket() {
      return type + '@' + timestampMs / MINUTE_MS;
    }
  }

  /** Events read so far: as long as some are missing, nobody needs to ask the store. */
  private static final LongAdder READ = new LongAdder();

  private static final ObjectReader EVENT = new ObjectMapper().readerFor(Event.class);

  /** One event, or one in each line. */
  static List<Event> eventsOf(byte[] value) {
    try (MappingIterator<Event> events = EVENT.readValues(value)) {
      List<Event> all = events.readAll();
      READ.add(all.size());
      return all;
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Events of all partitions by bucket, each bucket in one partition of the repartition topic. */
  static Topology grouped(String topic) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .flatMap(
            (user, value) -> {
              List<KeyValue<String, byte[]>> buckets = new ArrayList<>();
              // Only what is counted by goes through the repartition topic.
              for (Event event : eventsOf(value)) {
                buckets.add(KeyValue.pair(event.bucket(), NOTHING));
              }
              return buckets;
            })
        .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
        .count(
            Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(STORE)
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()));
    return builder.build();
  }

  /** Events of each partition by bucket. */
  static Topology local(String topic) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.Long())
            .withCachingEnabled());
    builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(LocalCount::new, STORE);
    return builder.build();
  }

  private static final class LocalCount implements Processor<byte[], byte[], Void, Void> {
    private KeyValueStore<String, Long> counts;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      counts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      for (Event event : eventsOf(record.value())) {
        String bucket = event.bucket();
        Long count = counts.get(bucket);
        counts.put(bucket, count == null ? 1L : count + 1);
      }
    }
  }

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    String topic = args[1];
    boolean batched = args[2].equals("batched");
    long events = Long.parseLong(args[3]);
    Topology topology = args[4].equals("grouped") ? grouped(topic) : local(topic);
    Properties settings = settings(bootstrap, batched, Path.of(args[5]));
    String result;
    try (KafkaStreams streams = new KafkaStreams(topology, settings)) {
      result = countAll(streams, events);
    }
    forget(bootstrap, settings.getProperty(StreamsConfig.APPLICATION_ID_CONFIG));
    System.out.println(result);
  }

  private static Properties settings(String bootstrap, boolean batched, Path stateFolder) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-" + stateFolder.getFileName());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, stateFolder.toString());
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L * 1024 * 1024);
    settings.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
    // A record is one event or half a MiB of them.
    settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, batched ? 16 : 5_000);
    settings.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG),
        batched ? 16 : 5_000);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 128 * 1024);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    return settings;
  }

  /** Runs until all events are counted, and says how long that took. */
  private static String countAll(KafkaStreams streams, long events) throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    streams.setStateListener(
        (state, before) -> {
          if (state == KafkaStreams.State.RUNNING || state.hasCompletedShutdown()) {
            running.countDown();
          }
        });
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    streams.start();
    running.await();
    long startedAtNs = System.nanoTime();
    long processorNs = processorNs();
    long countedBefore = countedEvents(streams);
    long counted = countedBefore;
    while (counted < events) {
      Thread.sleep(LOOK_EVERY_MS);
      if (READ.sum() >= events || streams.state().hasCompletedShutdown()) {
        counted = countedEvents(streams);
      }
    }
    double seconds = (System.nanoTime() - startedAtNs) / 1e9;
    double cpuSeconds = (processorNs() - processorNs) / 1e9;
    if (counted != events) {
      throw new IllegalStateException(counted + " events counted of " + events);
    }
    return String.format(
        "{\"events\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"peakMb\":%.0f}",
        events - countedBefore, seconds, cpuSeconds, peakMb());
  }

  /** Sum of all counts in the store; 0 while it can't be asked. Throws when Streams has ended. */
  private static long countedEvents(KafkaStreams streams) {
    long sum = 0;
    try {
      ReadOnlyKeyValueStore<String, Long> counts =
          streams.store(
              StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.keyValueStore()));
      try (KeyValueIterator<String, Long> all = counts.all()) {
        while (all.hasNext()) sum += all.next().value;
      }
      return sum;
    } catch (InvalidStateStoreException error) {
      if (streams.state().isRunningOrRebalancing()) return 0;
      throw error;
    }
  }

  private static long processorNs() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  /** Most resident memory of this process, MiB (Linux). */
  private static double peakMb() throws IOException {
    Map<String, String> status =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .map(line -> line.split(":\\s*", 2))
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    return Long.parseLong(status.get("VmHWM").replace(" kB", "")) / 1024.0;
  }

  /** Removes the topics that it made. */
  private static void forget(String bootstrap, String application) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      Set<String> topics = admin.listTopics().names().get();
      topics.removeIf(name -> !name.startsWith(application + "-"));
      admin.deleteTopics(topics).all().get();
    }
  }
}
