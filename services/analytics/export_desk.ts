/**
 * What exports and SQL share in a process: the folder of temporary files and the SQL engine's process;
 * and their routes.
 */

import type { Context, Hono } from "hono";
import { TemporaryFolders } from "../../lib/data_folder/temporary_folders.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import type { ExportPorts } from "./answer_export.ts";
import { SqlAnswers } from "./answer_sql.ts";
import { exportRoutes } from "./export_http.ts";
import type { WindowPorts } from "./read_windows.ts";
import { sqlRoutes } from "./sql_http.ts";
import { SqlProcess } from "./sql_process.ts";

export interface ExportDeskOptions {
  /** Where temporary files go: below it, in a folder of this process. */
  readonly dataFolder: string;
  readonly ports: WindowPorts & Pick<ExportPorts, "onBlock">;
  /** null = SQL is on; else why it is off. */
  readonly sqlOff: string | null;
  readonly bodies: BodyReader;
  readonly projectOf: (context: Context) => string;
  /** An export that had begun was cut off: why. */
  readonly onCut: (failure: unknown) => void;
}

export class ExportDesk {
  /** To be mounted on every port: their limits are those of the process. */
  readonly routes: readonly Hono[];
  readonly #folders: TemporaryFolders;
  readonly #engine: SqlProcess;

  constructor({ dataFolder, ports, sqlOff, bodies, projectOf, onCut }: ExportDeskOptions) {
    const folders = this.#folders = TemporaryFolders.open(dataFolder);
    const engine = this.#engine = new SqlProcess(() => folders.path);
    const makeFolder = () => folders.make();
    const sql = sqlOff === null ? new SqlAnswers({ ...ports, engine, makeFolder }) : null;
    this.routes = [
      exportRoutes({ ports: { ...ports, makeFolder }, projectOf, onCut }),
      sqlRoutes({ sql, whyOff: sqlOff ?? "", bodies, now: ports.now, projectOf }),
    ];
  }

  /** Ends the engine's process and removes all temporary files. */
  async close(): Promise<void> {
    await this.#engine.close();
    await this.#folders.close();
  }
}
