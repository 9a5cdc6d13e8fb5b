// A gRPC server on grpc-js under Node that decodes what it gets and answers, nothing else: an event
// or a batch by success, each message of a stream by one of its own. The order of the arguments: the
// folder of the proto files. Says its port, runs until killed.
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

const definitions = loadSync("analytics/v1/analytics.proto", {
  includeDirs: [process.argv[2]],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const server = new grpc.Server({ "grpc.max_receive_message_length": 8 * 1024 * 1024 });
const one = (event) => ({ success: true, event_id: event.id, message: "event accepted" });
const health = (_call, answer) => answer(null, { healthy: true });

server.addService(definitions["analytics.v1.EventIngestionService"], {
  IngestEvent: (call, answer) => answer(null, one(call.request.event)),
  IngestEvents: (call, answer) =>
    answer(null, { success: true, processed_count: call.request.events.length }),
  StreamEvents: (call) => {
    call.on("data", ({ event }) => {
      if (!call.write({ event_response: one(event) })) {
        call.pause();
        call.once("drain", () => call.resume());
      }
    });
    call.on("end", () => call.end());
    call.on("error", () => {});
  },
  Health: health,
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
