/**
 * Interns (project, type) pairs to small numbers, per partition: rows and cells carry the number.
 *
 * Looking up goes by the bytes of the type as they stand in the event, so the hot path makes no
 * string. Every project also has the series of all its types together (type null), and one,
 * `OTHER_TYPES`, that stands in the rollups for types beyond `ROLLUP_TYPES_MAX` of a project; rows
 * always keep the real type.
 */
import { ROLLUP_TYPES_MAX } from "../config/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";
import { OTHER_TYPES } from "../query/summary.ts";
import { hash64 } from "../sketch/hash64.ts";
import type { Series } from "../store/event_store.ts";

const TABLE_MIN = 64;

/** One project of a partition. */
export interface ProjectEntry {
  readonly name: string;
  /** Seed of this project's hashes, so that ids of two projects never meet. */
  readonly seed: number;
  readonly allSeries: number;
  otherSeries: number | null;
  readonly types: Map<string, SeriesEntry>;
}

/** One interned pair. */
export interface SeriesEntry {
  readonly id: number;
  readonly project: ProjectEntry;
  readonly type: string;
  /** hash64 of the type's bytes with the project's seed; two types never share it in practice. */
  readonly hashLo: number;
  readonly hashHi: number;
  /** The series its events are rolled up under: itself, or the project's OTHER_TYPES. */
  rollup: number;
}

export class SeriesTable {
  readonly #projects = new Map<string, ProjectEntry>();
  readonly #byId: (SeriesEntry | ProjectEntry)[] = [];
  /** Open addressing by hash; holes are undefined. */
  #table: (SeriesEntry | undefined)[] = new Array(TABLE_MIN).fill(undefined);
  #entries = 0;
  readonly #hash = new Uint32Array(2);
  #fresh: Series[] = [];
  #lastProject: ProjectEntry | null = null;

  /** Puts back what a store had; to be called once, before any lookup. */
  restore(series: readonly Series[]): void {
    for (const { id, project, type } of [...series].sort((a, b) => a.id - b.id)) {
      if (type === null) this.#addProject(project, id);
      else this.#addType(this.#projects.get(project)!, type, id);
    }
  }

  /** Series made since the last call, to be stored with the next commit. */
  takeFresh(): Series[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** The project of that name, made if need be. */
  projectOf(name: string): ProjectEntry {
    if (this.#lastProject?.name === name) return this.#lastProject;
    let project = this.#projects.get(name);
    if (project === undefined) {
      project = this.#addProject(name, this.#byId.length);
      this.#fresh.push({ id: project.allSeries, project: name, type: null });
    }
    this.#lastProject = project;
    return project;
  }

  /** The series of a type given as UTF-8 bytes, made if need be. */
  seriesOf(project: ProjectEntry, bytes: Uint8Array, start: number, end: number): SeriesEntry {
    hash64(bytes, start, end, project.seed, this.#hash);
    const lo = this.#hash[0];
    const hi = this.#hash[1];
    const mask = this.#table.length - 1;
    for (let slot = lo & mask;; slot = (slot + 1) & mask) {
      const entry = this.#table[slot];
      if (entry === undefined) break;
      if (entry.hashLo === lo && entry.hashHi === hi) return entry;
    }
    const type = decodeUtf8(bytes.slice(start, end));
    this.#makeOther(project, type);
    const entry = this.#addType(project, type, this.#byId.length);
    this.#fresh.push({ id: entry.id, project: project.name, type });
    return entry;
  }

  /** The project, or undefined when no event of it has been seen here. */
  findProject(name: string): ProjectEntry | undefined {
    return this.#projects.get(name);
  }

  entry(id: number): SeriesEntry | ProjectEntry {
    return this.#byId[id];
  }

  /** All-types series of the project a series belongs to. */
  allSeriesOf(id: number): number {
    const entry = this.#byId[id];
    return "project" in entry ? entry.project.allSeries : entry.allSeries;
  }

  get size(): number {
    return this.#byId.length;
  }

  /** Makes the OTHER_TYPES series when the project's next type will be past the limit. */
  #makeOther(project: ProjectEntry, type: string): void {
    if (project.types.size < ROLLUP_TYPES_MAX || project.otherSeries !== null) return;
    if (type === OTHER_TYPES) return;
    const other = this.#addType(project, OTHER_TYPES, this.#byId.length);
    this.#fresh.push({ id: other.id, project: project.name, type: OTHER_TYPES });
  }

  #addProject(name: string, id: number): ProjectEntry {
    const bytes = encodeUtf8(name);
    const hash = new Uint32Array(2);
    hash64(bytes, 0, bytes.length, 0, hash);
    const project: ProjectEntry = {
      name,
      seed: hash[0] | 0,
      allSeries: id,
      otherSeries: null,
      types: new Map(),
    };
    this.#projects.set(name, project);
    this.#byId[id] = project;
    return project;
  }

  #addType(project: ProjectEntry, type: string, id: number): SeriesEntry {
    const past = project.types.size >= ROLLUP_TYPES_MAX && type !== OTHER_TYPES;
    const bytes = encodeUtf8(type);
    hash64(bytes, 0, bytes.length, project.seed, this.#hash);
    const [hashLo, hashHi] = this.#hash;
    const entry: SeriesEntry = { id, project, type, hashLo, hashHi, rollup: id };
    if (type === OTHER_TYPES) project.otherSeries = id;
    if (past) entry.rollup = project.otherSeries!;
    project.types.set(type, entry);
    this.#byId[id] = entry;
    if (++this.#entries > this.#table.length / 2) this.#grow();
    this.#place(entry);
    return entry;
  }

  #place(entry: SeriesEntry): void {
    const mask = this.#table.length - 1;
    let slot = entry.hashLo & mask;
    while (this.#table[slot] !== undefined) slot = (slot + 1) & mask;
    this.#table[slot] = entry;
  }

  #grow(): void {
    const entries = this.#table;
    this.#table = new Array(2 * entries.length).fill(undefined);
    for (const entry of entries) if (entry !== undefined) this.#place(entry);
  }
}
