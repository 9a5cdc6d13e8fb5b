/**
 * What `rta dlq` asks of a running platform, by its REST API, as anyone could with curl. An answer
 * of 429 or 503 is waited out and asked for again; replaying and dropping twice does no harm.
 */
import { platformAddress } from "../../lib/import/send_events.ts";
import { askPlatform, type PlatformOptions } from "./ask_platform.ts";

const PATH = "/v1/dead-letters";

/** What is wanted can't be had; the message is meant for the person at the terminal. */
export class DlqError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DlqError";
  }
}

/** Which letters, by the names of the query string. */
export type LetterQuery = Readonly<Record<string, string>>;

/** A letter as it is answered; further members are passed on. */
export interface AnsweredLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly line: number;
  readonly reason: string;
  readonly message: string;
  readonly time: string;
  readonly payload: string;
  readonly payload_encoding: string;
  readonly payload_bytes: number;
  readonly payload_truncated: boolean;
  readonly received_at: string;
  readonly state: string;
  readonly replayed_at?: string;
  readonly event_id?: string;
}

/** A page of letters, newest first. */
export interface AnsweredPage {
  readonly dead_letters: readonly AnsweredLetter[];
  readonly next_page_token: string;
  readonly waiting_by_reason: Readonly<Record<string, string>>;
}

/** What came of one letter. */
export interface AnsweredVerdict {
  readonly id: string;
  readonly verdict: "replayed" | "refused" | "not_found";
  readonly code?: string;
  readonly field?: string;
  readonly message?: string;
}

/** What came of some letters. */
export interface AnsweredReplay {
  readonly results: readonly AnsweredVerdict[];
  readonly next_page_token: string;
}

/** Every method throws DlqError, or the signal's reason when that aborts first. */
export class DlqClient {
  readonly #options: PlatformOptions;
  readonly #address: string;

  /** @throws ImportError when the address is none */
  constructor(options: PlatformOptions) {
    this.#options = options;
    this.#address = `${platformAddress(options.url)}${PATH}`;
  }

  list(query: LetterQuery): Promise<AnsweredPage> {
    return this.#ask<AnsweredPage>(`?${new URLSearchParams(query)}`);
  }

  show(id: string): Promise<AnsweredLetter> {
    return this.#ask<AnsweredLetter>(`/${encodeURIComponent(id)}`);
  }

  replay(body: Readonly<Record<string, unknown>>): Promise<AnsweredReplay> {
    return this.#ask<AnsweredReplay>("/replay", body);
  }

  /** Gives how many letters were dropped. */
  async drop(body: Readonly<Record<string, unknown>>): Promise<number> {
    const answer = await this.#ask<{ dropped_count: number }>("/drop", body);
    return answer.dropped_count;
  }

  async #ask<Answer>(path: string, body?: Readonly<Record<string, unknown>>): Promise<Answer> {
    const response = await askPlatform(this.#options, {
      address: `${this.#address}${path}`,
      body,
      Failure: DlqError,
      refusal: (status, text) => {
        const detail = detailOf(text);
        return {
          retry: `${status} ${detail}`,
          end: status === 404 ? detail : `${this.#address} answered ${status}: ${detail}`,
        };
      },
    });
    return answerOf<Answer>(await response.text(), this.#address);
  }
}

function answerOf<Answer>(text: string, address: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch (cause) {
    throw new DlqError(`${address} did not answer in JSON`, { cause });
  }
}

/** The most telling words of a problem. */
function detailOf(text: string): string {
  try {
    const problem = JSON.parse(text);
    return String(problem.detail ?? problem.message ?? text).slice(0, 500);
  } catch {
    return text.slice(0, 200).trim();
  }
}
