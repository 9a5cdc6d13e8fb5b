/**
 * The file of keys and projects, `keys.json`: read whole, checked whole, and replaced whole, so that
 * whoever reads it finds one book or another and never half of one.
 *
 *     keys.json        {"version":1,"projects":[...],"keys":[...]}, mode 600
 *     keys.json.lock   held (flock) while a change is made: servers and `rta keys` may both write
 *
 * The file is read-only to those who cannot write its folder; a server needs no more than reading.
 */
import { KEY_FILE_BYTES_MAX } from "../config/access_limits.ts";
import { EMPTY_BOOK, type KeyBook, keyBookSchema } from "./key_book.ts";

/** The key file can't be read, understood or written. */
export class KeyFileError extends Error {
  readonly code = "RTA_KEY_FILE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KeyFileError";
  }
}

/** The book in the file; an empty one when there is no file. @throws {KeyFileError} */
export function readKeyFile(path: string): KeyBook {
  let text: string;
  try {
    if (Deno.statSync(path).size > KEY_FILE_BYTES_MAX) {
      throw new KeyFileError(`the key file ${path} has more than ${KEY_FILE_BYTES_MAX} bytes`);
    }
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return EMPTY_BOOK;
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError(`the key file ${path} can't be read: ${detailOf(error)}`, {
      cause: error,
    });
  }
  return parseBook(text, path);
}

/**
 * Reads the file under its lock, and replaces it by what `change` makes of it; nothing is written
 * where that gives the same book back. What `change` throws leaves the file as it was.
 * @throws {KeyFileError} and what `change` throws
 */
export async function changeKeyFile<T extends { readonly book: KeyBook }>(
  path: string,
  change: (book: KeyBook) => T,
): Promise<T> {
  using lock = await lockFile(path);
  void lock;
  const before = readKeyFile(path);
  const made = change(before);
  if (made.book !== before) await writeBook(path, made.book);
  return made;
}

/** What tells that a file is another one than before; "" = there is none. */
export function keyFileMark(path: string): string {
  try {
    const { mtime, size, ino } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size} ${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    return `unreadable: ${detailOf(error)}`;
  }
}

function parseBook(text: string, path: string): KeyBook {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // Without what stands in it: JSON.parse quotes the text.
    throw new KeyFileError(`the key file ${path} is not JSON`, { cause });
  }
  const parsed = keyBookSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path: place, message }] = parsed.error.issues;
  const where = place.length === 0 ? "it" : place.map(String).join(".");
  throw new KeyFileError(`the key file ${path} is not valid: ${where} ${message}`);
}

async function lockFile(path: string): Promise<Disposable> {
  try {
    const folder = folderOf(path);
    Deno.mkdirSync(folder, { recursive: true });
    const file = Deno.openSync(`${path}.lock`, { create: true, write: true, mode: 0o600 });
    await file.lock(true);
    return file;
  } catch (cause) {
    throw new KeyFileError(`the key file ${path} can't be changed: ${detailOf(cause)}`, { cause });
  }
}

/**
 * The new file is whole on disk before it takes the place of the old one. The waits for the disk are
 * not this thread's: servers write last uses while they answer.
 */
async function writeBook(path: string, book: KeyBook): Promise<void> {
  const temporary = `${path}.new`;
  try {
    {
      const bytes = new TextEncoder().encode(`${JSON.stringify(book, null, 2)}\n`);
      const options = { create: true, write: true, truncate: true, mode: 0o600 };
      using file = await Deno.open(temporary, options);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
    }
    await Deno.rename(temporary, path);
    using folder = await Deno.open(folderOf(path));
    await folder.sync();
  } catch (cause) {
    throw new KeyFileError(`the key file ${path} can't be written: ${detailOf(cause)}`, { cause });
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

function detailOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
