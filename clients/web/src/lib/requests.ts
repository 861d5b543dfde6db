// Requests on the device's own topic, each answered once.
import { type Answer, type Rejection, type Request, topics } from "../../generated/wire.ts";
import type { Connection } from "./connection.ts";
import { uuid } from "./ids.ts";
import { decode } from "./payload.ts";

export type Asked = Request extends infer R ? (R extends Request ? Omit<R, "v" | "request_id"> : never) : never;
export type AnswerOf<T extends Answer["type"]> = Extract<Answer, { type: T }>;

/** A refusal, in words for a person. */
export class Refused extends Error {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(rejection.message);
    this.rejection = rejection;
  }
}

interface Waiting {
  request: unknown;
  resolve: (answer: Answer) => void;
  reject: (refused: Refused) => void;
}

/** What an error says; the sentence of a refusal. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class Requests {
  private readonly waiting = new Map<string, Waiting>();
  private readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
    const { site, device } = connection.me;
    connection.on(topics.inbox(site, device), (_, payload) => this.answered(payload));
    connection.onUp(() => this.waiting.forEach((one) => this.send(one)));
  }

  /** Raises `Refused`. Asked again after a lost connection: the answer is the same. */
  ask<T extends Answer["type"]>(asked: Asked, _answer: T): Promise<AnswerOf<T>> {
    return new Promise((resolve, reject) => {
      const request_id = uuid();
      const waiting: Waiting = {
        request: { v: 1, request_id, ...asked },
        resolve: (answer) => resolve(answer as AnswerOf<T>),
        reject,
      };
      this.waiting.set(request_id, waiting);
      if (this.connection.up) this.send(waiting);
    });
  }

  private send(waiting: Waiting): void {
    const { site, device } = this.connection.me;
    this.connection.send(topics.request(site, device), waiting.request);
  }

  private answered(payload: Uint8Array): void {
    const answer = decode<Answer | Rejection>(payload);
    const waiting = this.waiting.get(answer?.request_id ?? "");
    if (answer === null || waiting === undefined) return;
    this.waiting.delete(answer.request_id ?? "");
    if (answer.type === "REJECTION") waiting.reject(new Refused(answer));
    else waiting.resolve(answer);
  }
}
