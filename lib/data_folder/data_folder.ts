/**
 * The folder that one process keeps its data in: made if need be, and locked for as long as the
 * process lives, because two writers on one log would end both.
 *
 *     <folder>/rta.lock   held by an advisory file lock, which the system drops with the process
 *     <folder>/rta.pid    process id of the holder, for `make stop` and for messages
 */

/** The data folder can't be used; `code` is stable. */
export class DataFolderError extends Error {
  constructor(
    readonly code: "RTA_DATA_IN_USE" | "RTA_DATA_UNUSABLE",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "DataFolderError";
  }
}

export interface DataFolder {
  /** Absolute path. */
  readonly path: string;
  /** Gives the folder free. Safe to call twice. */
  release(): void;
}

/** Makes and locks the folder. Throws DataFolderError when another process holds it. */
export function lockDataFolder(path: string): DataFolder {
  let file: Deno.FsFile;
  let absolute: string;
  try {
    Deno.mkdirSync(path, { recursive: true });
    absolute = Deno.realPathSync(path);
    file = Deno.openSync(`${absolute}/rta.lock`, { create: true, write: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DataFolderError(
      "RTA_DATA_UNUSABLE",
      `the data folder ${path} can't be used: ${why}; name another one with RTA_DATA`,
      { cause: error },
    );
  }
  if (!file.tryLockSync(true)) {
    file.close();
    const pid = readPid(absolute);
    const holder = pid === null ? "another process" : `process ${pid}`;
    throw new DataFolderError(
      "RTA_DATA_IN_USE",
      `the data folder ${absolute} is in use by ${holder}: stop it (make stop), or name another ` +
        "folder with RTA_DATA",
    );
  }
  Deno.writeTextFileSync(`${absolute}/rta.pid`, `${Deno.pid}\n`);
  let released = false;
  return {
    path: absolute,
    release() {
      if (released) return;
      released = true;
      Deno.removeSync(`${absolute}/rta.pid`);
      file.close();
    },
  };
}

/**
 * Makes the folder, for processes that share it; what must not be shared in it has locks of its own.
 * The first of them writes its process id, as if the folder were its own. Throws DataFolderError.
 */
export function shareDataFolder(path: string): DataFolder {
  try {
    return lockDataFolder(path);
  } catch (error) {
    if (!(error instanceof DataFolderError) || error.code !== "RTA_DATA_IN_USE") throw error;
    return { path: Deno.realPathSync(path), release() {} };
  }
}

/** Whether a process holds the lock on this file; false when there is no such file. */
export function isFileLocked(path: string): boolean {
  try {
    using file = Deno.openSync(path, { read: true, write: true });
    return !file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function readPid(folder: string): string | null {
  try {
    return Deno.readTextFileSync(`${folder}/rta.pid`).trim() || null;
  } catch {
    return null;
  }
}
