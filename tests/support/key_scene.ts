/** Key files for servers under test: projects and keys that are there before the server is. */
import { addKey, addProject, EMPTY_BOOK, type KeyWish } from "../../lib/auth/key_book.ts";
import { changeKeyFile } from "../../lib/auth/key_file.ts";

/** A key to be made: its project's limits, its scopes, and what else is not usual. */
export interface WantedKey extends Partial<Omit<KeyWish, "limits">> {
  readonly limits?: KeyWish["limits"];
}

/** Makes keys by name in the key file of a data folder, and the projects that they are of. */
export async function makeKeys<Name extends string>(
  dataFolder: string,
  wanted: Readonly<Record<Name, WantedKey>>,
): Promise<Record<Name, string>> {
  const keys: Partial<Record<Name, string>> = {};
  await changeKeyFile(`${dataFolder}/keys.json`, () => {
    let book = EMPTY_BOOK;
    const wishes = Object.entries(wanted) as [Name, WantedKey][];
    for (const [name, { project = "default", ...wish }] of wishes) {
      const isThere = project === "default" || book.projects.some((each) => each.name === project);
      if (!isThere) book = addProject(book, { name: project }, Date.now());
      const whole = { scopes: ["admin" as const], name, expiresAtMs: null, ...wish, project };
      const made = addKey(book, whole, Date.now());
      book = made.book;
      keys[name] = made.key;
    }
    return { book };
  });
  return keys as Record<Name, string>;
}

/** A temporary data folder, removed in the end. */
export async function withDataFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-keys-" });
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
