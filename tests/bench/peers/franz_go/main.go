// Peer of the Kafka backlog case: franz-go counts the events of a topic by type and minute, in
// memory, with encoding/json, on as many goroutines as there are cores; each goroutine has its own
// partitions and its own counts, which are added up at the end.
//
// The clock runs from the first poll until all events are counted. Then one line of JSON tells
// events, seconds, processor seconds of this process in that time, and its most resident memory.
//
//	franz_go BOOTSTRAP TOPIC EVENTS
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const minuteMs = 60_000

// Fetches that may wait for one goroutine.
const waitingMax = 4

// What is counted by.
type event struct {
	Type      string `json:"event_type"`
	Timestamp int64  `json:"timestamp"`
}

type bucket struct {
	eventType string
	minute    int64
}

// counter counts the partitions of one goroutine.
type counter struct {
	records chan []*kgo.Record
	counts  map[bucket]int64
}

func (c *counter) run() {
	for records := range c.records {
		for _, record := range records {
			c.count(record.Value)
		}
	}
}

// count takes one event, or one in each line.
func (c *counter) count(value []byte) {
	for line := range bytes.Lines(value) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			log.Fatalf("no event: %v: %s", err, line)
		}
		c.counts[bucket{e.Type, e.Timestamp / minuteMs}]++
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("franz_go BOOTSTRAP TOPIC EVENTS")
	}
	events, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumeTopics(os.Args[2]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	startedAt := time.Now()
	cpuSeconds := cpuSecondsUsed()
	counters := countAll(client, events)
	seconds := time.Since(startedAt).Seconds()
	cpuSeconds = cpuSecondsUsed() - cpuSeconds

	sum := int64(0)
	for _, c := range counters {
		for _, n := range c.counts {
			sum += n
		}
	}
	if sum != events {
		log.Fatalf("%d events counted of %d", sum, events)
	}
	fmt.Printf("{\"events\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"peakMb\":%.0f}\n",
		events, seconds, cpuSeconds, peakMb())
}

// countAll reads the topic until so many events are counted.
func countAll(client *kgo.Client, events int64) []*counter {
	var running sync.WaitGroup
	counters := make([]*counter, runtime.GOMAXPROCS(0))
	for i := range counters {
		c := &counter{make(chan []*kgo.Record, waitingMax), map[bucket]int64{}}
		counters[i] = c
		running.Go(c.run)
	}
	fetched := int64(0)
	for fetched < events {
		fetches := client.PollFetches(context.Background())
		for _, failed := range fetches.Errors() {
			log.Fatalf("partition %d: %v", failed.Partition, failed.Err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			fetched += eventsIn(p.Records)
			counters[int(p.Partition)%len(counters)].records <- p.Records
		})
	}
	for _, c := range counters {
		close(c.records)
	}
	running.Wait()
	return counters
}

// eventsIn tells how many events records hold: one each, or as many as the header says.
func eventsIn(records []*kgo.Record) int64 {
	events := int64(0)
	for _, record := range records {
		events += eventsOf(record)
	}
	return events
}

func eventsOf(record *kgo.Record) int64 {
	for _, header := range record.Headers {
		if header.Key == "events" {
			n, err := strconv.ParseInt(string(header.Value), 10, 64)
			if err != nil {
				log.Fatal(err)
			}
			return n
		}
	}
	return 1
}

func cpuSecondsUsed() float64 {
	used := usage()
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// Most resident memory, MiB (Linux counts it in KiB).
func peakMb() float64 {
	return float64(usage().Maxrss) / 1024
}

func usage() (used syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return used
}
