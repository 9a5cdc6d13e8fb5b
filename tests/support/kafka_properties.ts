/**
 * The configuration files of a test broker: one node that is broker and controller, on 127.0.0.1,
 * small, quick to notice what tests do to it, and without topics of its own making.
 */

/** How clients reach a broker: plain, by user and password, or by TLS. */
export type KafkaListener = "plaintext" | "sasl" | "ssl";

/** Whom the `sasl` listener lets in, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export const SASL_USER = { username: "rta", password: "rta secret" } as const;

/** Files in PEM form, for the `ssl` listener. */
export interface KafkaCertificates {
  /** What clients trust, and the broker trusts of clients. */
  readonly caFile: string;
  /** Certificate and key of the broker, in one file. */
  readonly serverFile: string;
  /** Certificate and key of a client that the broker would trust. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

/** What a broker's files say. */
export interface KafkaLayout {
  /** Where the data goes. */
  readonly dataFolder: string;
  readonly controllerPort: number;
  /** Port by listener; `plaintext` is always among them. */
  readonly ports: Readonly<Partial<Record<KafkaListener, number>>>;
  /** Needed with the listener `ssl`. */
  readonly certificates: KafkaCertificates | null;
  /** More lines, or other values for ours. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Text of `server.properties`. */
export function serverProperties(layout: KafkaLayout): string {
  const all = { ...basicProperties(layout), ...listenerProperties(layout), ...layout.properties };
  return Object.entries(all).map(([name, value]) => `${name}=${value}\n`).join("");
}

/** What tests may run into beside their own doing is set low: sessions, waits, memory, threads. */
function basicProperties(layout: KafkaLayout): Record<string, string> {
  return {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.bootstrap.servers": `127.0.0.1:${layout.controllerPort}`,
    "log.dirs": layout.dataFolder,
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.replica.fetchers": "1",
    "num.recovery.threads.per.data.dir": "1",
    "background.threads": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.io.buffer.size": "131072",
    "log.segment.delete.delay.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.coordinator.threads": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    // A broker that comes back after a kill is refused for so long, since the controller takes the
    // old one to be alive; shorter, and a busy machine would make a healthy broker look dead.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "100",
    "controller.quorum.election.backoff.max.ms": "50",
  };
}

function listenerProperties({ controllerPort, ports, certificates }: KafkaLayout) {
  const names = Object.keys(ports) as KafkaListener[];
  const addresses = names.map((name) => `${name.toUpperCase()}://127.0.0.1:${ports[name]}`);
  const properties: Record<string, string> = {
    "listeners": [...addresses, `CONTROLLER://127.0.0.1:${controllerPort}`].join(","),
    "advertised.listeners": addresses.join(","),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL",
  };
  if (ports.sasl !== undefined) Object.assign(properties, saslProperties());
  if (certificates !== null) Object.assign(properties, sslProperties(certificates));
  return properties;
}

function saslProperties(): Record<string, string> {
  const { username, password } = SASL_USER;
  const security = "org.apache.kafka.common.security";
  const scram = `${security}.scram.ScramLoginModule required;`;
  return {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.sasl.plain.sasl.jaas.config":
      `${security}.plain.PlainLoginModule required user_${username}="${password}";`,
    "listener.name.sasl.scram-sha-256.sasl.jaas.config": scram,
    "listener.name.sasl.scram-sha-512.sasl.jaas.config": scram,
  };
}

function sslProperties({ caFile, serverFile }: KafkaCertificates): Record<string, string> {
  return {
    "listener.name.ssl.ssl.keystore.type": "PEM",
    "listener.name.ssl.ssl.keystore.location": serverFile,
    "listener.name.ssl.ssl.truststore.type": "PEM",
    "listener.name.ssl.ssl.truststore.location": caFile,
    // With a certificate it must be one that the broker trusts; without one is fine.
    "listener.name.ssl.ssl.client.auth": "requested",
  };
}

/** What `StorageTool format` needs beside the properties: the users that SCRAM lets in. */
export function scramArguments(layout: KafkaLayout): string[] {
  if (layout.ports.sasl === undefined) return [];
  const { username, password } = SASL_USER;
  return ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${username},password=${password}]`,
  ]);
}

/** What the broker's log says when it takes requests. */
export const BROKER_STARTED = "Kafka Server started";

/** Text of the broker's `log4j2.properties`: to standard output, without each setting's value. */
export function logProperties(level: "INFO" | "WARN"): string {
  return `status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=${level}
rootLogger.appenderRef.out.ref=out
logger.settings.name=org.apache.kafka.common.config
logger.settings.level=WARN
`;
}
