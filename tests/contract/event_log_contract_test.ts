import { eventLogContract } from "./event_log_contract.ts";
import { adapter } from "./sqlite_log_adapter.ts";

eventLogContract(adapter);
