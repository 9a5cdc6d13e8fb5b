/**
 * Peer of the single-event case, a process of its own: a Deno.serve that only reads the body and
 * answers, with an answer like the platform's. Ends when told to; gives how many it answered.
 */
import { sayResult, sayStarted, toldToEnd } from "./bench_process.ts";

const answer = `{"success":true,"message":"event accepted","event_id":"g1-0000000000"}`;
const answerInit = { headers: { "content-type": "application/json" } };
let answered = 0;

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, async (request) => {
  await request.bytes();
  answered++;
  return new Response(answer, answerInit);
});

function onListen({ port }: Deno.NetAddr): void {
  sayStarted({ port });
}

await toldToEnd();
await server.shutdown();
sayResult(answered);
