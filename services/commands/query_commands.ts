/** `rta query` and its kinds: what they take on the command line. */
import process from "node:process";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./command_io.ts";
import { breakdownKind } from "./query_breakdown.ts";
import { queryCommand } from "./query_command.ts";
import { seriesKind, summaryKind } from "./query_counts.ts";
import { funnelKind } from "./query_funnel.ts";
import type { QueryKind, QueryOptions } from "./query_kind.ts";
import { liveCommand, type LiveOptions } from "./query_live.ts";
import { pathsKind } from "./query_paths.ts";
import { retentionKind, stickinessKind } from "./query_retention.ts";
import { userKind, usersKind } from "./query_users.ts";

/** Adds `rta query`. */
export function addQueryCommands(rta: Command): void {
  const query = rta.command("query").description("questions to a running platform");
  asked(
    counted(query.command("summary")).description("totals of a time range, beside the one before"),
    summaryKind,
  );
  asked(
    zoned(counted(query.command("series")))
      .description("one metric over time")
      .option("--metric <name>", "events (default), users, sessions, sum:amount, p95:amount …")
      .option("--granularity <width>", "minute, hour (default), day, week or month")
      .option("--by <name>", "a column for each value of this, may be repeated", collect, []),
    seriesKind,
  );
  addBreakdown(query);
  addFunnel(query);
  addRetention(query);
  addPaths(query);
  addUsers(query);
  addLive(query);
}

function addBreakdown(query: Command): void {
  asked(
    zoned(posted(query.command("breakdown")))
      .description("a metric by one or two properties or fields: the largest groups, the others")
      .option("--by <name>", "country, type …; may be repeated", collect, [])
      .option("--metric <name>", "events (default), users, sessions, sum:amount, p95:NAME …")
      .option("--limit <count>", "how many groups", wholeNumber)
      .option("--granularity <width>", "also over time: minute, hour, day, week or month"),
    breakdownKind,
  );
}

function addPaths(query: Command): void {
  asked(
    posted(query.command("paths"))
      .description("what users did next after an event, or before one")
      .option("--after <event>", "TYPE or TYPE:condition,…: what came next")
      .option("--before <event>", "in the same form: what came before")
      .option("--depth <steps>", "how far, 1 to 5", wholeNumber)
      .option("--limit <count>", "how many types at each step", wholeNumber)
      .option("--scope <scope>", "session (default) or user")
      .option("--within <seconds>", "longest time between two events", wholeNumber)
      .option("--collapse", "repeats of a type count as one"),
    pathsKind,
  );
}

function addFunnel(query: Command): void {
  asked(
    posted(query.command("funnel"))
      .description("how many users get how far in a list of steps")
      .option(
        "--step <step>",
        "TYPE, TYPE:condition,… or TYPE?:… if it may be left out",
        collect,
        [],
      )
      .option("--exclude <step>", "an event that ends an attempt, as a step", collect, [])
      .option("--order <order>", "sequential (default), strict or any")
      .option("--window <span>", "from the first step to the last, such as 24h; default 14d")
      .option("--step-timeout <span>", "longest time between two steps")
      .option("--by <property>", "also by this property of the first step")
      .option("--limit <count>", "how many of its values; or users on a page", wholeNumber)
      .option("--users <step:outcome>", "who they are: 2:converted, 2:dropped")
      .option("--page-token <token>", "the page of users after this one"),
    funnelKind,
  );
}

function addRetention(query: Command): void {
  asked(
    zoned(posted(query.command("retention")))
      .description("who of those that came for the first time came again")
      .option("--start <event>", "what begins a cohort, TYPE or TYPE:condition,…; any if missing")
      .option("--return <event>", "what counts as coming again, in the same form; any if missing")
      .option("--granularity <width>", "day, week (default) or month")
      .option("--mode <mode>", "exact (default), or rolling: in that period or later")
      .option("--cohort <rule>", "first_in_range (default) or first_ever")
      .option("--periods <count>", "how many periods after the first", wholeNumber),
    retentionKind,
  );
  asked(
    zoned(posted(query.command("stickiness")))
      .description("on how many days of a week or month users are active")
      .option("--granularity <width>", "week (default) or month"),
    stickinessKind,
  );
}

function addUsers(query: Command): void {
  asked(
    zoned(counted(query.command("user <id>")))
      .description("one user: profile, metrics, sessions, events")
      .option("--events", "the events in the range, newest first; of a type, by a filter")
      .option("--sessions", "the sessions that begin in the range, newest first")
      .option("--limit <count>", "on a page", wholeNumber)
      .option("--page-token <token>", "the page of events after this one")
      .option("--sessions-page-token <token>", "the page of sessions after this one"),
    userKind,
  );
  asked(
    client(query.command("users [prefix]"))
      .description("users whose id begins so")
      .option("--limit <count>", "on a page", wholeNumber)
      .option("--page-token <token>", "the page after this one"),
    usersKind,
  );
}

function addLive(query: Command): void {
  chosen(query.command("live"))
    .description("a line for each second's window, or each event, until Ctrl-C")
    .option("--window <seconds>", "length of a window, 1 to 3600", wholeNumber)
    .option("--top <property>", "the most frequent values of this property too")
    .option("--events", "the events as they come in, instead of windows")
    .option("--sample <share>", "with --events: this share of them, such as 0.1")
    .option("--count <number>", "end after so many windows or events", wholeNumber)
    .option("--json", "each as JSON, one text a line")
    .option("--url <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key")
    .action(async (options: LiveOptions) => {
      process.exitCode = await runCommand((io) => liveCommand(options, io));
    });
}

/** What all kinds take. */
function client(command: Command): Command {
  return command
    .option("--json", "the answer as it came")
    .option("--csv", "the answer's table as CSV (docs/REST_API.md)")
    .option("--url <url>", "address of the gateway's port")
    .option("--api-key <key>", "API key");
}

/** Those that are about a time range. */
function ranged(command: Command): Command {
  return client(command)
    .option("--from <time>", "first instant: RFC 3339, unix seconds, or -24h, -7d before now")
    .option("--to <time>", "first instant after the range; default: the current minute's end");
}

/** Those that are put by a JSON body. */
function posted(command: Command): Command {
  return counted(command)
    .option("--timeout <seconds>", "longest wait for the answer", wholeNumber)
    .option("--body <file>", "the JSON body of the request; options are put over it");
}

/** Those that count events, of which some may be chosen. */
function counted(command: Command): Command {
  return chosen(ranged(command));
}

/** Which events. */
function chosen(command: Command): Command {
  return command
    .option("--type <type>", "events of this type alone, may be repeated", collect, [])
    .option("--filter <condition>", "country=DE, amount>=100, plan!=a|b, coupon …", collect, [])
    .option("--filter-json <list>", "conditions in the JSON form of the API");
}

/** Those that know days. */
function zoned(command: Command): Command {
  return command.option("--tz <zone>", "time zone, such as Europe/Berlin; default UTC");
}

function asked(command: Command, kind: QueryKind): void {
  command.action(async (...args) => {
    // Commander gives the arguments, then the options, then the command.
    const options: QueryOptions = args.at(-2);
    const subject = args.length > 2 ? String(args[0]) : "";
    process.exitCode = await runCommand((io) => queryCommand(kind, subject, options, io));
  });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}
