/**
 * A process that is one member of a group: it prints each generation's partitions, and leaves when
 * its standard input ends. A test stops and continues it.
 *
 *     deno run -A kafka_group_freezing_member.ts SETTINGS_JSON PARTITIONS
 */
import { GroupMember } from "../support/kafka_group_member.ts";

const [settings, partitions] = Deno.args;
const member = new GroupMember(JSON.parse(settings), Number(partitions));
await member.reader.join((owned) => console.log(owned.join(",")));
for await (const _ of Deno.stdin.readable);
await member.reader.close();
