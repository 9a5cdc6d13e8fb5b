/**
 * What Kafka Streams needs beside the jars of the broker (tests/support/kafka_jar_list.ts), each
 * with its SHA-256: the runtime dependencies of `kafka-streams` that are not among those.
 */
import { KAFKA_VERSION } from "../support/kafka_jar_list.ts";
import type { JarList } from "../support/kafka_jars.ts";

/** In front of the broker's jars on a class path. */
export const KAFKA_STREAMS_JARS: JarList = {
  folder: `kafka-streams/${KAFKA_VERSION}`,
  sums: {
    "org.apache.kafka:kafka-streams:4.1.1":
      "e554318dbc2b07461f714be32bb324744ba993eb7a49f938792beff577d7044b",
    "org.rocksdb:rocksdbjni:9.7.3":
      "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221",
  },
};
