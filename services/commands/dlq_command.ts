/**
 * `rta dlq list|show|replay|drop`: the dead letters of a running platform on the command line.
 *
 * Tables are for people; with `--json` letters and verdicts are one JSON text a line, which
 * `replay --edit FILE` takes back once the payloads are mended. Payloads come from anybody, so
 * nothing in them reaches the terminal that could steer it.
 */
import { DEAD_LETTERS_PAGE_BYTES, DEAD_LETTERS_PAGE_MAX } from "../../lib/config/limits.ts";
import { ImportError } from "../../lib/import/import_error.ts";
import {
  type CommandIo,
  EXIT_DONE,
  EXIT_INTERRUPTED,
  EXIT_NOT_DONE,
  EXIT_SOME_REFUSED,
} from "./command_io.ts";
import {
  type AnsweredLetter,
  type AnsweredReplay,
  DlqClient,
  DlqError,
  type LetterQuery,
} from "./dlq_client.ts";
import { type EditedLetter, readEdits } from "./dlq_edits.ts";
import { clean, letterText, listText, notReplayedLine, waitingText } from "./dlq_text.ts";
import { groupedNumber } from "./text_table.ts";

/** What every `rta dlq` takes. */
export interface DlqOptions {
  /** Address of the gateway; default by RTA_GATEWAY_PORT, else port 8080 of 127.0.0.1. */
  readonly url?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
}

/** Which letters, by what they are. */
export interface DlqFilter {
  readonly reason?: string;
  readonly topic?: string;
  readonly partition?: string;
  readonly from?: string;
  readonly to?: string;
  /** A text in the payload or the message. */
  readonly search?: string;
  /** waiting (default), replayed or all. */
  readonly state?: string;
}

export interface DlqListOptions extends DlqOptions, DlqFilter {
  /** Most letters that are listed; default 50. */
  readonly limit?: number;
}

export interface DlqChoiceOptions extends DlqOptions, DlqFilter {
  readonly id?: readonly string[];
  /** Every letter: to replay, those that wait; to drop, all. */
  readonly all?: boolean;
}

export interface DlqReplayOptions extends DlqChoiceOptions {
  /** File of letters with mended payloads. */
  readonly edit?: string;
}

const LISTED_PRESET = 50;
/** What a letter adds to a request beside its payload, bytes, roughly. */
const EDIT_OVERHEAD_BYTES = 512;

/** Lists letters, newest first. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function dlqListCommand(options: DlqListOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, async (client) => {
    const { limit = LISTED_PRESET } = options;
    if (!(Number.isSafeInteger(limit) && limit >= 1)) {
      throw new DlqError("--limit takes a whole number from 1");
    }
    const rows: AnsweredLetter[] = [];
    let token = "";
    let waiting: Readonly<Record<string, string>> = {};
    do {
      const count = Math.min(limit - rows.length, DEAD_LETTERS_PAGE_MAX);
      const page = await client.list({
        ...queryOf(options),
        limit: String(count),
        page_token: token,
      });
      rows.push(...page.dead_letters);
      token = page.next_page_token;
      waiting = page.waiting_by_reason;
    } while (token !== "" && rows.length < limit);
    io.stdout.write(options.json ? rows.map(jsonLine).join("") : listText(rows));
    io.stderr.write(waitingText(waiting));
    if (token !== "") io.stderr.write("there are more that match; --limit shows more\n");
    return EXIT_DONE;
  });
}

/** Shows one letter. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function dlqShowCommand(id: string, options: DlqOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, async (client) => {
    const letter = await client.show(id);
    io.stdout.write(options.json ? `${JSON.stringify(letter, null, 2)}\n` : letterText(letter));
    return EXIT_DONE;
  });
}

/**
 * Replays letters. Gives EXIT_DONE, EXIT_SOME_REFUSED (also when an id is no letter's),
 * EXIT_NOT_DONE or EXIT_INTERRUPTED; what was replayed before an interruption stays so.
 */
export function dlqReplayCommand(options: DlqReplayOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, async (client) => {
    const bodies = replayBodies(options);
    const counts = { replayed: 0, refused: 0, not_found: 0 };
    for await (const { results } of answers(client, bodies)) {
      for (const { verdict } of results) counts[verdict]++;
      const lines = options.json ? results.map(jsonLine) : results.map(notReplayedLine);
      io.stdout.write(lines.join(""));
    }
    const { replayed, refused, not_found } = counts;
    io.stderr.write(`${groupedNumber(replayed)} replayed`);
    if (refused > 0) io.stderr.write(`, ${groupedNumber(refused)} still refused`);
    if (not_found > 0) io.stderr.write(`, ${groupedNumber(not_found)} not found`);
    io.stderr.write("\n");
    return refused + not_found > 0 ? EXIT_SOME_REFUSED : EXIT_DONE;
  });
}

/** Drops letters for good. Gives EXIT_DONE, EXIT_NOT_DONE or EXIT_INTERRUPTED. */
export function dlqDropCommand(options: DlqChoiceOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, async (client) => {
    const choice = choiceOf(options);
    const bodies = choice.ids === undefined
      ? [{ filter: options.all ? { state: "all" } : choice.filter }]
      : chunks(choice.ids, DEAD_LETTERS_PAGE_MAX).map((ids) => ({ ids }));
    let dropped = 0;
    for (const body of bodies) dropped += await client.drop(body);
    if (options.json) io.stdout.write(jsonLine({ dropped_count: dropped }));
    else io.stderr.write(`${groupedNumber(dropped)} dropped\n`);
    return EXIT_DONE;
  });
}

async function withClient(
  { url, apiKey }: DlqOptions,
  io: CommandIo,
  use: (client: DlqClient) => Promise<number>,
): Promise<number> {
  try {
    const { signal } = io;
    const onRetry = (reason: string) => io.stderr.write(`again: ${clean(reason)}\n`);
    return await use(new DlqClient({ url: url ?? localGateway(), apiKey, signal, onRetry }));
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) return EXIT_INTERRUPTED;
    if (!(error instanceof DlqError) && !(error instanceof ImportError)) throw error;
    io.stderr.write(`rta dlq: ${clean(error.message)}\n`);
    return EXIT_NOT_DONE;
  }
}

function localGateway(): string {
  return `http://127.0.0.1:${Deno.env.get("RTA_GATEWAY_PORT") || 8080}`;
}

/** The filter by the names of the API. */
function queryOf(options: DlqFilter): LetterQuery {
  const { reason, topic, partition, from, to, search: q, state } = options;
  const given = Object.entries({ reason, topic, partition, from, to, q, state });
  return Object.fromEntries(
    given.filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

type Choice =
  | { readonly ids: readonly string[] }
  | { readonly ids?: undefined; readonly filter: LetterQuery };

/** What was chosen by exactly one of --all, --id and the filters. Throws DlqError. */
function choiceOf(options: DlqChoiceOptions): Choice {
  const { id: ids = [], all = false } = options;
  const filter = queryOf(options);
  const ways = [all, ids.length > 0, Object.keys(filter).length > 0].filter((given) => given);
  if (ways.length !== 1) {
    throw new DlqError("say which letters: --all, --id, or filters such as --reason; one of them");
  }
  return ids.length > 0 ? { ids } : { filter };
}

/** The requests that replay what was chosen; each of a filter may have further pages. */
function replayBodies(options: DlqReplayOptions): Readonly<Record<string, unknown>>[] {
  const { edit, ...others } = options;
  if (edit !== undefined) {
    const { all, id } = others;
    if (all || id !== undefined && id.length > 0 || Object.keys(queryOf(others)).length > 0) {
      throw new DlqError("--edit replays the letters of its file; it goes alone");
    }
    return editChunks(readEdits(readFile(edit), edit)).map((letters) => ({ letters }));
  }
  const choice = choiceOf(others);
  if (choice.ids === undefined) return [{ filter: choice.filter }];
  return chunks(choice.ids, DEAD_LETTERS_PAGE_MAX).map((ids) => ({ ids }));
}

/** The answers to the requests and to those for their further pages. */
async function* answers(
  client: DlqClient,
  bodies: readonly Readonly<Record<string, unknown>>[],
): AsyncGenerator<AnsweredReplay> {
  for (const body of bodies) {
    let token = "";
    do {
      const answer = await client.replay(token === "" ? body : { ...body, page_token: token });
      yield answer;
      token = answer.next_page_token;
    } while (token !== "");
  }
}

function readFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new DlqError(`${path} can't be read: ${detail}`, { cause });
  }
}

/** Letters in lists that one request may hold. */
function editChunks(letters: readonly EditedLetter[]): EditedLetter[][] {
  const lists: EditedLetter[][] = [];
  let bytes = Infinity;
  for (const letter of letters) {
    // A character is at most 3 bytes of UTF-8, or 6 of JSON where it has to be escaped.
    const size = EDIT_OVERHEAD_BYTES + JSON.stringify(letter.payload).length * 3;
    bytes += size;
    const last = lists.at(-1);
    if (
      last !== undefined && bytes <= DEAD_LETTERS_PAGE_BYTES && last.length < DEAD_LETTERS_PAGE_MAX
    ) {
      last.push(letter);
    } else {
      lists.push([letter]);
      bytes = size;
    }
  }
  return lists;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, index) => items.slice(index * size, (index + 1) * size),
  );
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
