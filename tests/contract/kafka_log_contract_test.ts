import { sharedKafka } from "../support/kafka_shared.ts";
import { eventLogContract } from "./event_log_contract.ts";
import { kafkaLogAdapter } from "./kafka_log_adapter.ts";

const kafka = await sharedKafka();
for (const records of ["single", "batched"] as const) {
  eventLogContract(kafkaLogAdapter(kafka, records));
}
