/**
 * Interns (project, type) pairs to small numbers, per partition: rows and cells carry the number.
 *
 * Looking up goes by the bytes of the type as they stand in the event, so the hot path makes no
 * string. Every project also has the series of all its types together (type null), and one,
 * `OTHER_TYPE`, that stands in the rollups for types beyond `ROLLUP_TYPES_MAX` of a project; rows
 * always keep the real type.
 */
import { ROLLUP_TYPES_MAX } from "../config/limits.ts";
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";
import { murmur2 } from "../log/murmur2.ts";
import { hash64 } from "../sketch/hash64.ts";
import type { Series } from "../store/event_store.ts";

/** The rollup type of everything past the limit. Not a type a client would choose. */
export const OTHER_TYPE = "(other)";

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
  readonly bytes: Uint8Array;
  /** The series its events are rolled up under: itself, or the project's OTHER_TYPE. */
  rollup: number;
}

export class SeriesTable {
  readonly #projects = new Map<string, ProjectEntry>();
  readonly #byId: (SeriesEntry | ProjectEntry)[] = [];
  readonly #byHash = new Map<number, SeriesEntry[]>();
  #fresh: Series[] = [];
  #lastProject: ProjectEntry | null = null;

  /** Puts back what a store had; to be called once, before any lookup. */
  restore(series: readonly Series[]): void {
    for (const { id, project, type } of [...series].sort((a, b) => a.id - b.id)) {
      if (type === null) this.#addProject(project, id);
      else this.#addType(this.#projects.get(project)!, type, encodeUtf8(type), id);
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
    const hash = murmur2(bytes, start, end) ^ project.seed;
    const candidates = this.#byHash.get(hash);
    if (candidates !== undefined) {
      for (const entry of candidates) {
        if (entry.project === project && equalBytes(entry.bytes, bytes, start, end)) return entry;
      }
    }
    const copy = bytes.slice(start, end);
    const type = decodeUtf8(copy);
    this.#rollupSeries(project, type);
    const entry = this.#addType(project, type, copy, this.#byId.length);
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

  /** Makes the OTHER_TYPE series when the project's next type will be past the limit. */
  #rollupSeries(project: ProjectEntry, type: string): void {
    if (project.types.size < ROLLUP_TYPES_MAX || project.otherSeries !== null) return;
    if (type === OTHER_TYPE) return;
    const other = this.#addType(project, OTHER_TYPE, encodeUtf8(OTHER_TYPE), this.#byId.length);
    this.#fresh.push({ id: other.id, project: project.name, type: OTHER_TYPE });
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

  #addType(project: ProjectEntry, type: string, bytes: Uint8Array, id: number): SeriesEntry {
    const past = project.types.size >= ROLLUP_TYPES_MAX && type !== OTHER_TYPE;
    const entry: SeriesEntry = { id, project, type, bytes, rollup: id };
    if (type === OTHER_TYPE) project.otherSeries = id;
    if (past) entry.rollup = project.otherSeries!;
    project.types.set(type, entry);
    this.#byId[id] = entry;
    const hash = murmur2(bytes, 0, bytes.length) ^ project.seed;
    const candidates = this.#byHash.get(hash);
    if (candidates === undefined) this.#byHash.set(hash, [entry]);
    else candidates.push(entry);
    return entry;
  }
}

function equalBytes(whole: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (whole.length !== end - start) return false;
  for (let i = 0; i < whole.length; i++) if (whole[i] !== bytes[start + i]) return false;
  return true;
}
