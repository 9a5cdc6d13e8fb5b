/**
 * Keys, tokens and limits as one process has them: the book of keys and its watch, the door of its
 * HTTP ports, that of its gRPC ports, and the routes that change keys.
 */
import type { Hono } from "hono";
import { Access } from "../../lib/auth/access.ts";
import { admitCall } from "../../lib/auth/grpc_admission.ts";
import { HttpAdmission } from "../../lib/auth/http_admission.ts";
import { KeyWatch } from "../../lib/auth/key_watch.ts";
import type { AccessConfig } from "../../lib/config/access_config.ts";
import type { CallOptions } from "../../lib/grpc/call.ts";
import type { BodyReader } from "../../lib/http/read_body.ts";
import type { Logger } from "../../lib/telemetry/logger.ts";
import { keyRoutes } from "./keys_http.ts";

/** One for a process. */
export class AccessDesk {
  readonly access: Access;
  readonly door: HttpAdmission;
  readonly #watch: KeyWatch;

  /** @throws {KeyFileError} when keys are there and can't be read */
  constructor(config: AccessConfig, logger: Logger) {
    const watch = this.#watch = new KeyWatch({
      path: config.keyFile,
      onLook: () => this.access.stopEnded(),
      onChange: ({ keys, projects }) => {
        logger.info({ keys: keys.length, projects: projects.length }, "the key file has changed");
      },
      onFailure: (failure) => {
        if (failure === null) logger.info("the key file can be used again");
        else logger.error({ err: failure }, "the key file is broken; the last keys stay in use");
      },
      onUnwritable: (failure) => {
        logger.warn({ err: failure }, "the last uses of keys can't be kept");
      },
    });
    try {
      this.access = new Access({ config, watch });
    } catch (error) {
      void watch.close();
      throw error;
    }
    this.door = new HttpAdmission(this.access);
    if (config.isExposed) {
      logger.warn(
        "RTA_AUTH=off: whoever reaches these ports may read, change and delete everything",
      );
    }
    if (config.mode === "required" && watch.book.keys.length === 0 && config.tokens === null) {
      logger.warn(
        { key_file: config.keyFile },
        "keys are required and there are none: make one with rta keys create",
      );
    }
  }

  /** Lets a gRPC call in; see lib/auth/grpc_admission.ts. */
  readonly admitCall: CallOptions["admit"] = (path, header) => admitCall(this.access, path, header);

  /** What is wrong with the key file; null = nothing. */
  get failure(): string | null {
    return this.#watch.failure;
  }

  /** The routes of keys and projects. */
  routes(bodies: BodyReader): Hono {
    return keyRoutes({ watch: this.#watch, bodies, principalOf: this.door.principalOf });
  }

  /** Ends the watch, with the last uses of keys written. */
  close(): Promise<void> {
    return this.#watch.close();
  }
}
