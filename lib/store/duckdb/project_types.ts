/** Event types by project, kept until a commit brings new ones: each read of a user needs them. */

import { readTypeNames, type TypeNames } from "./filter_sql.ts";
import type { Connection } from "./native.ts";

export class ProjectTypes {
  #types = new Map<string, TypeNames>();

  /** The types of a project in all rows that were committed before this was called. */
  async of(connection: Connection, project: string): Promise<TypeNames> {
    const known = this.#types;
    const types = known.get(project) ?? await readTypeNames(connection, project);
    // Into the map that was there before they were read: a newer one must not have older types.
    if (types.size > 0) known.set(project, types);
    return types;
  }

  /** To be called when new types were committed, before anybody can ask for their rows. */
  forget(): void {
    this.#types = new Map();
  }
}
