/**
 * Compression of record batches. We write none, gzip or zstd, by node:zlib; we read whatever
 * producers write, LZ4 and Snappy by decoders of our own.
 *
 * Everything is synchronous: it runs on threads that have nothing else to do meanwhile, and a batch
 * takes a few milliseconds at most.
 */
import { Buffer } from "node:buffer";
import {
  constants as zlibConstants,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import { KAFKA_UNPACKED_BYTES_MAX } from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { unpackLz4Frame } from "./lz4.ts";
import { unpackSnappy } from "./snappy.ts";

/** What a batch may be written with. */
export type Compression = "none" | "gzip" | "zstd";

/** Numbers of the codecs in a batch's attributes. */
const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** Level 1 packs JSON nearly as well as the higher ones and takes a third of the time. */
const GZIP = { level: 1 };
const ZSTD = { params: { [zlibConstants.ZSTD_c_compressionLevel]: 1 } };
const UNPACK = { maxOutputLength: KAFKA_UNPACKED_BYTES_MAX };

/** The number of a codec in the attributes of a batch. */
export function codecNumber(compression: Compression): number {
  return CODECS[compression];
}

/** Packs the records of a batch; a view of them where there is nothing to do. */
export function pack(compression: Compression, records: Uint8Array): Uint8Array {
  switch (compression) {
    case "none":
      return records;
    case "gzip":
      return gzipSync(records, GZIP);
    case "zstd":
      return zstdCompressSync(records, ZSTD);
  }
}

/**
 * Unpacks the records of a batch.
 * @throws LogError RTA_LOG_CORRUPT when they are damaged, come to more than
 *   KAFKA_UNPACKED_BYTES_MAX, or are packed by a codec that Kafka does not have.
 */
export function unpack(codec: number, packed: Uint8Array): Uint8Array {
  try {
    switch (codec) {
      case CODECS.gzip:
        return plain(gunzipSync(packed, UNPACK));
      case CODECS.snappy:
        return unpackSnappy(packed, KAFKA_UNPACKED_BYTES_MAX);
      case CODECS.lz4:
        return unpackLz4Frame(packed, KAFKA_UNPACKED_BYTES_MAX);
      case CODECS.zstd:
        return plain(zstdDecompressSync(packed, UNPACK));
    }
  } catch (cause) {
    const name = Object.entries(CODECS).find(([, number]) => number === codec)?.[0];
    throw new LogError("RTA_LOG_CORRUPT", `records packed by ${name} cannot be unpacked`, {
      cause,
    });
  }
  throw new LogError("RTA_LOG_CORRUPT", `records are packed by an unknown codec, number ${codec}`);
}

/** Gives kafkajs, which knows gzip only, the other codecs. */
export function registerCodecs(): void {
  const refuse = (name: string) => () =>
    Promise.reject(new Error(`writing records packed by ${name} is not supported`));
  const reader = (codec: number) => (packed: Uint8Array) =>
    Promise.resolve(asBuffer(unpack(codec, packed)));
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { buffer: Uint8Array }) =>
      Promise.resolve(asBuffer(pack("zstd", buffer))),
    decompress: reader(CODECS.zstd),
  });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: refuse("lz4"),
    decompress: reader(CODECS.lz4),
  });
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: refuse("snappy"),
    decompress: reader(CODECS.snappy),
  });
}

/** Without what makes it a Buffer, whose slice() would not copy. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

function asBuffer(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}
