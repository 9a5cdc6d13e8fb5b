/**
 * `rta keys create|list|revoke|rotate` and `rta projects create|list`: keys and projects by the key
 * file itself, so that the first key can be made before anything runs. A running platform sees a
 * change within a second. Who is not at the machine of the file uses REST (`/v1/keys`).
 */
import {
  addKey,
  addProject,
  type KeyBook,
  KeyBookError,
  keyNameSchema,
  type KeyRecord,
  keyState,
  limitsSchema,
  projectNameSchema,
  revokeKey,
  rotateKey,
  scopesSchema,
} from "../../lib/auth/key_book.ts";
import { changeKeyFile, KeyFileError, readKeyFile } from "../../lib/auth/key_file.ts";
import { DEFAULT_PROJECT } from "../../lib/auth/principal.ts";
import type { Limits } from "../../lib/auth/quota.ts";
import {
  KEY_LIFE_SECONDS_MAX,
  KEY_OVERLAP_SECONDS_DEFAULT,
  KEY_OVERLAP_SECONDS_MAX,
} from "../../lib/config/access_limits.ts";
import { type CommandIo, EXIT_DONE, EXIT_NOT_DONE } from "./command_io.ts";
import { textTable } from "./text_table.ts";

/** Where the keys are. */
export interface KeyFileOptions {
  /** The key file; by RTA_KEYS_FILE, else keys.json in the data folder, when missing. */
  readonly file?: string;
  /** The data folder; by RTA_DATA, else ./data, when missing. */
  readonly data?: string;
  readonly json?: boolean;
}

/** Limits as they are given on the command line. */
export interface LimitOptions {
  readonly eventsPerSecond?: number;
  readonly bytesPerSecond?: number;
  readonly streams?: number;
  readonly queries?: number;
}

export interface KeyCreateOptions extends KeyFileOptions, LimitOptions {
  readonly project?: string;
  readonly scope: readonly string[];
  readonly name?: string;
  /** Time until the key ends, such as 90d. */
  readonly expires?: string;
}

export interface KeyRotateOptions extends KeyFileOptions {
  /** How long the old key goes on, such as 24h. */
  readonly overlap?: string;
}

/** What was given can't be used; the message is meant for the person at the terminal. */
class KeysError extends Error {}

/** Makes a key; stdout is the key alone, so that it can be put into a file or a variable. */
export function keysCreateCommand(options: KeyCreateOptions, io: CommandIo): Promise<number> {
  return reported(io, async () => {
    const nowMs = Date.now();
    const life = options.expires === undefined
      ? null
      : secondsOf(options.expires, "--expires", 1, KEY_LIFE_SECONDS_MAX);
    const wish = {
      project: checked(projectNameSchema, options.project ?? DEFAULT_PROJECT, "--project"),
      scopes: checked(scopesSchema, options.scope, "--scope"),
      name: checked(keyNameSchema, options.name ?? "", "--name"),
      expiresAtMs: life === null ? null : nowMs + life * 1_000,
      limits: limitsOf(options),
    };
    const made = await changeKeyFile(pathOf(options), (book) => addKey(book, wish, nowMs));
    writeKey(made.key, made.record, options, io);
  });
}

/** Lists keys, without what they could be used by. */
export function keysListCommand(
  options: KeyFileOptions & { readonly project?: string },
  io: CommandIo,
): Promise<number> {
  return reported(io, () => {
    const { project } = options;
    const keys = readKeyFile(pathOf(options)).keys
      .filter((key) => project === undefined || key.project === project);
    if (options.json) {
      for (const record of keys) io.stdout.write(`${JSON.stringify(shown(record))}\n`);
      return;
    }
    const rows = keys.map((key) => [
      key.id,
      key.project,
      key.scopes.join(","),
      keyState(key, Date.now()),
      key.created_at.slice(0, 16),
      key.expires_at?.slice(0, 16) ?? "-",
      key.last_used_at?.slice(0, 16) ?? "-",
      key.name,
    ]);
    const titles = ["id", "project", "scopes", "state", "created", "expires", "last used", "name"];
    io.stdout.write(textTable(titles.map((title) => ({ title })), rows));
  });
}

/** Ends a key at once. */
export function keysRevokeCommand(
  id: string,
  options: KeyFileOptions,
  io: CommandIo,
): Promise<number> {
  return reported(io, async () => {
    await changeKeyFile(pathOf(options), (book) => ({ book: revokeKey(book, id, Date.now()) }));
    io.stderr.write(`${id} is revoked\n`);
  });
}

/** A new key in the place of one, which goes on for a while. */
export function keysRotateCommand(
  id: string,
  options: KeyRotateOptions,
  io: CommandIo,
): Promise<number> {
  return reported(io, async () => {
    const overlap = options.overlap === undefined
      ? KEY_OVERLAP_SECONDS_DEFAULT
      : secondsOf(options.overlap, "--overlap", 0, KEY_OVERLAP_SECONDS_MAX);
    const made = await changeKeyFile(
      pathOf(options),
      (book) => rotateKey(book, id, overlap, Date.now()),
    );
    writeKey(made.key, made.record, options, io);
    const old = made.book.keys.find((key) => key.id === id)!;
    io.stderr.write(`${id} goes on until ${old.expires_at}\n`);
  });
}

/** Makes a project. */
export function projectsCreateCommand(
  name: string,
  options: KeyFileOptions & LimitOptions,
  io: CommandIo,
): Promise<number> {
  return reported(io, async () => {
    const wish = { name: checked(projectNameSchema, name, "the name"), limits: limitsOf(options) };
    await changeKeyFile(
      pathOf(options),
      (book) => ({ book: addProject(book, wish, Date.now()) }),
    );
    io.stderr.write(`the project ${name} is there\n`);
  });
}

/** Lists projects with how many keys of each may be used. */
export function projectsListCommand(options: KeyFileOptions, io: CommandIo): Promise<number> {
  return reported(io, () => {
    const book = readKeyFile(pathOf(options));
    const rows = projectRows(book);
    io.stdout.write(
      options.json
        ? rows.map(([name, keys]) => `${JSON.stringify({ name, active_keys: Number(keys) })}\n`)
          .join("")
        : textTable([{ title: "project" }, { title: "active keys", right: true }], rows),
    );
  });
}

function projectRows({ projects, keys }: KeyBook): string[][] {
  const names = new Set([DEFAULT_PROJECT, ...projects.map(({ name }) => name)]);
  const isActive = (key: KeyRecord) => keyState(key, Date.now()) === "active";
  return [...names].map((name) => [
    name,
    String(keys.filter((key) => key.project === name && isActive(key)).length),
  ]);
}

function writeKey(key: string, record: KeyRecord, options: KeyFileOptions, io: CommandIo): void {
  if (options.json) return io.stdout.write(`${JSON.stringify({ key, ...shown(record) })}\n`);
  io.stdout.write(`${key}\n`);
  const end = record.expires_at === undefined ? "" : `, until ${record.expires_at}`;
  io.stderr.write(
    `the key ${record.id} of the project ${record.project} (${record.scopes.join(", ")}${end}); ` +
      "it is shown this once\n",
  );
}

function shown(record: KeyRecord): object {
  const { sha256: _, ...rest } = record;
  return { ...rest, state: keyState(record, Date.now()) };
}

function pathOf({ file, data }: KeyFileOptions): string {
  const folder = data ?? (Deno.env.get("RTA_DATA") || "./data");
  return file ?? (Deno.env.get("RTA_KEYS_FILE") || `${folder}/keys.json`);
}

function limitsOf(options: LimitOptions): Limits | undefined {
  const given = {
    events_per_second: options.eventsPerSecond,
    bytes_per_second: options.bytesPerSecond,
    streams: options.streams,
    queries: options.queries,
  };
  const limits = Object.fromEntries(
    Object.entries(given).filter(([, limit]) => limit !== undefined),
  );
  if (Object.keys(limits).length === 0) return undefined;
  return checked(limitsSchema, limits, "a limit");
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of a time such as 90s, 15m, 24h or 30d. */
function secondsOf(text: string, option: string, least: number, most: number): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const seconds = match === null ? NaN : Number(match[1]) * UNIT_SECONDS[match[2]];
  if (seconds >= least && seconds <= most) return seconds;
  throw new KeysError(
    `${option} takes a time such as 90s, 15m, 24h or 30d, up to ${most / 86_400}d`,
  );
}

interface Schema<T> {
  safeParse(value: unknown): {
    readonly success: boolean;
    readonly data?: T;
    readonly error?: { readonly issues: readonly { readonly message: string }[] };
  };
}

function checked<T>(schema: Schema<T>, value: unknown, name: string): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data!;
  throw new KeysError(`${name} ${error!.issues[0].message}`);
}

async function reported(io: CommandIo, act: () => Promise<void> | void): Promise<number> {
  try {
    await act();
    return EXIT_DONE;
  } catch (error) {
    const known = error instanceof KeysError || error instanceof KeyBookError ||
      error instanceof KeyFileError;
    if (!known) throw error;
    io.stderr.write(`rta: ${error.message}\n`);
    return EXIT_NOT_DONE;
  }
}
