/** Entry of the writer worker: `new Worker(new URL("./writer.ts", ...), { type: "module" })`. */
import { serveWriter, type WriterPort } from "./writer_port.ts";

serveWriter(globalThis as unknown as WriterPort);
