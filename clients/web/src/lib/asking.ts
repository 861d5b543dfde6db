// Requests on the device's own topic, each answered once.
import { type Answer, type Rejection, type Request, topics } from "../../generated/wire";
import { type Connection, decode } from "./connection";
import { uuid } from "./ids";

type Asked = Request extends infer R ? (R extends Request ? Omit<R, "v" | "request_id"> : never) : never;
type AnswerOf<T extends Answer["type"]> = Extract<Answer, { type: T }>;

/** A refusal, in words for a person. */
export class Refused extends Error {
  constructor(readonly rejection: Rejection) {
    super(rejection.message);
  }
}

interface Waiting {
  request: unknown;
  settle: (answer: Answer) => void;
  fail: (refused: Refused) => void;
}

export class Asking {
  private readonly waiting = new Map<string, Waiting>();

  constructor(private readonly connection: Connection) {
    const { site, device } = connection.me;
    connection.on(topics.inbox(site, device), (_, payload) => this.answered(payload));
    connection.onUp(() => this.waiting.forEach((one) => this.send(one)));
  }

  /** Raises `Refused`. Asked again after a lost connection: the answer is the same. */
  ask<T extends Answer["type"]>(asked: Asked, _: T): Promise<AnswerOf<T>> {
    return new Promise((resolve, reject) => {
      const request_id = uuid();
      const waiting: Waiting = {
        request: { v: 1, request_id, ...asked },
        settle: (answer) => resolve(answer as AnswerOf<T>),
        fail: reject,
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
    if (answer.type === "REJECTION") waiting.fail(new Refused(answer));
    else waiting.settle(answer);
  }
}
