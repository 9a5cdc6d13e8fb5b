/**
 * The example data asked by plain SQL: a second oracle, that shares nothing with the platform but the
 * file. The definitions of docs/ANALYTICS.md are written once more as joins in a DuckDB of its own.
 */
import { DuckDBInstance } from "@duckdb/node-api";

/** Users by the month of their first event, and those of them who came in the months after. */
export interface SqlCohort {
  /** First day, YYYY-MM-DD. */
  readonly month: string;
  readonly size: number;
  /** By months after the first one; a month in which nobody came has 0. */
  readonly users: readonly number[];
}

/** The rows of the CSV, in order of time and then of the file. */
export class ClickstreamSql {
  private constructor(
    readonly database: DuckDBInstance,
    readonly query: (sql: string) => Promise<unknown[][]>,
    readonly close: () => void,
  ) {}

  static async open(csvGz: string): Promise<ClickstreamSql> {
    const database = await DuckDBInstance.create(":memory:", { threads: "2" });
    const connection = await database.connect();
    await connection.run(
      `CREATE TABLE clicks AS
       SELECT *, row_number() OVER (ORDER BY timestamp, line) AS place FROM (
         SELECT *, row_number() OVER () AS line
         FROM read_csv('${csvGz.replaceAll("'", "''")}', header = true,
           types = {'timestamp': 'TIMESTAMP', 'user_id': 'VARCHAR', 'event': 'VARCHAR'}))`,
    );
    const query = async (sql: string) => {
      return (await connection.runAndReadAll(sql)).getRows() as unknown[][];
    };
    return new ClickstreamSql(database, query, () => {
      connection.closeSync();
      database.closeSync();
    });
  }

  /**
   * Users who reached each step: a chain of joins, each event after the one before it, all within
   * the window of the first.
   */
  async funnel(steps: readonly string[], windowDays: number): Promise<number[]> {
    const users: number[] = [];
    for (let reached = 1; reached <= steps.length; reached++) {
      const joins = steps.slice(1, reached).map((_, index) => {
        const [before, here] = [`e${index}`, `e${index + 1}`];
        return `JOIN clicks ${here} ON ${here}.user_id = ${before}.user_id
          AND ${here}.event = '${steps[index + 1]}' AND ${here}.place > ${before}.place
          AND ${here}.timestamp <= e0.timestamp + INTERVAL ${windowDays} DAY`;
      });
      const [[count]] = await this.query(
        `SELECT count(DISTINCT e0.user_id)::DOUBLE FROM clicks e0 ${joins.join("\n")}
         WHERE e0.event = '${steps[0]}'`,
      );
      users.push(Number(count));
    }
    return users;
  }

  /** Retention by month, UTC, any event. */
  async cohorts(): Promise<SqlCohort[]> {
    const rows = await this.query(
      `WITH months AS (SELECT DISTINCT user_id, date_trunc('month', timestamp)::DATE AS m FROM clicks),
         firsts AS (SELECT user_id, min(m) AS first FROM months GROUP BY user_id)
       SELECT strftime(first, '%Y-%m-%d'), date_diff('month', first, m)::DOUBLE, count(*)::DOUBLE
       FROM firsts JOIN months USING (user_id) GROUP BY ALL ORDER BY 1, 2`,
    );
    return [...Map.groupBy(rows, ([month]) => String(month))].map(([month, cells]) => {
      const byMonths = new Map(cells.map(([, k, users]) => [Number(k), Number(users)]));
      const last = Math.max(...byMonths.keys());
      const users = Array.from({ length: last + 1 }, (_, k) => byMonths.get(k) ?? 0);
      return { month, size: users[0], users };
    });
  }

  /** Events, or different users, by a column; largest first, equal ones by name. */
  async breakdown(column: string, users = false): Promise<[value: string, count: number][]> {
    const count = users ? "count(DISTINCT user_id)" : "count(*)";
    const rows = await this.query(
      `SELECT ${column}::VARCHAR, ${count}::DOUBLE FROM clicks GROUP BY 1 ORDER BY 2 DESC, 1`,
    );
    return rows.map(([value, number]) => [String(value), Number(number)]);
  }
}
