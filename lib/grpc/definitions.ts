/**
 * The services and messages of proto/, loaded once. Messages are plain objects with proto names;
 * int64 and enums are numbers or texts as LOADER_OPTIONS says, and a message that is missing is
 * null.
 */
import {
  fromJSON,
  type MessageTypeDefinition,
  type Options,
  type ServiceDefinition,
} from "@grpc/proto-loader";
// Not the files of proto/ themselves: bundled, the client library has no folder beside it.
import definitions from "../../proto/definitions.json" with { type: "json" };

const LOADER_OPTIONS: Options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
};

/** A field as the descriptor of its message has it. */
export interface FieldDescriptor {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

/** All that proto/ defines. */
export interface Definitions {
  /** @throws when there is no service of this full name, such as `analytics.v1.MetricsService` */
  service(name: string): ServiceDefinition;
  /** @throws when there is no message of this full name */
  message<T extends object>(name: string): MessageTypeDefinition<T, T>;
}

let loaded: Definitions | null = null;

/** Reads proto/definitions.json (`make proto`) the first time; it takes about 50 ms. */
export function loadDefinitions(): Definitions {
  return loaded ??= readDefinitions();
}

function readDefinitions(): Definitions {
  // Namespaces hold services and messages side by side, which no index signature can say.
  const all = fromJSON(definitions as unknown as Parameters<typeof fromJSON>[0], LOADER_OPTIONS);
  const find = (name: string) => {
    const found = all[name];
    if (found === undefined) throw new Error(`proto/ defines no ${name}`);
    return found;
  };
  return {
    service: (name) => find(name) as ServiceDefinition,
    message: <T extends object>(name: string) =>
      find(name) as unknown as MessageTypeDefinition<T, T>,
  };
}
