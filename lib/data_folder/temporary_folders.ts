/**
 * Folders for files that are needed for a moment, such as copies of rows for one question.
 *
 *     <data folder>/temporary/<process>/in-use    locked for as long as the process lives
 *     <data folder>/temporary/<process>/<n>/      one piece of work, removed when it has ended
 *
 * Processes may share a data folder, so each has a folder of its own. What a killed one left behind
 * is removed by the next one that starts: its lock has gone with it.
 */

const ROOT = "temporary";
const LOCK = "in-use";

export class TemporaryFolders {
  readonly #root: string;
  #own: { readonly path: string; readonly lock: Deno.FsFile } | null = null;
  #next = 1;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Removes the folders of processes that are gone; needs no room on the disk. */
  static open(dataFolder: string): TemporaryFolders {
    const root = `${dataFolder}/${ROOT}`;
    if (isThere(root)) {
      using _ = lockRoot(root);
      removeLeftBehind(root);
    }
    return new TemporaryFolders(root);
  }

  /** This process's folder, absolute; made when it is first asked for. */
  get path(): string {
    return (this.#own ??= makeOwn(this.#root)).path;
  }

  /** A new folder. `await using` removes it with all that is in it. */
  async make(): Promise<TemporaryFolder> {
    const path = `${this.path}/${this.#next++}`;
    await Deno.mkdir(path);
    return { path, [Symbol.asyncDispose]: () => remove(path) };
  }

  /** Removes everything. */
  async close(): Promise<void> {
    if (this.#own === null) return;
    this.#own.lock.close();
    await remove(this.#own.path);
  }
}

/** A folder for one piece of work. */
export interface TemporaryFolder extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
}

/** Two processes that start at once could take a folder without its lock for one left behind. */
function lockRoot(root: string): Deno.FsFile {
  const gate = Deno.openSync(`${root}/lock`, { create: true, write: true });
  gate.lockSync(true);
  return gate;
}

function makeOwn(root: string) {
  Deno.mkdirSync(root, { recursive: true });
  using _ = lockRoot(root);
  const path = Deno.realPathSync(Deno.makeTempDirSync({ dir: root }));
  const lock = Deno.openSync(`${path}/${LOCK}`, { create: true, write: true });
  lock.tryLockSync(true);
  return { path, lock };
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function removeLeftBehind(root: string): void {
  for (const { name, isDirectory } of [...Deno.readDirSync(root)]) {
    if (!isDirectory || isHeld(`${root}/${name}/${LOCK}`)) continue;
    Deno.removeSync(`${root}/${name}`, { recursive: true });
  }
}

function isHeld(path: string): boolean {
  try {
    using file = Deno.openSync(path, { write: true });
    return !file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
