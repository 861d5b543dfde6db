// A document on its way to the box: in pieces, a few in flight, resumed where the box has it.
import { signal } from "@preact/signals";
import type { PatientView, Rejection } from "../../generated/wire";
import { Refused } from "../lib/asking";
import type { Connection } from "../lib/connection";
import { sha256Hex, uuid } from "../lib/ids";
import type { Side } from "../lib/side";
import type { Progress } from "../fields/sheet";

/** One message: what a slow link gets through within a keepalive. */
const CHUNK = 64 * 1024;
const IN_FLIGHT = 3;
/** After so long without a word, say it again from where the box is. */
const QUIET_MS = 8_000;

export class Uploads {
  readonly progress = signal<ReadonlyMap<string, Progress>>(new Map());
  private readonly running = new Map<string, Upload>();

  constructor(
    private readonly connection: Connection,
    private readonly side: Side<PatientView>,
    /** With null where it was not the box that refused. */
    private readonly failed: (id: string, rejection: Rejection | null) => void,
  ) {}

  begin(id: string, bytes: Uint8Array, mediaType: string): void {
    this.running.get(id)?.stop();
    const upload = new Upload(this.connection, this.side, id, bytes, mediaType, (sent) => {
      if (this.running.get(id) === upload) this.note(id, { sent, size: bytes.length });
    });
    this.running.set(id, upload);
    this.note(id, { sent: 0, size: bytes.length });
    upload.run().then(
      () => this.over(id, upload),
      (error: unknown) => {
        if (this.over(id, upload)) this.failed(id, error instanceof Refused ? error.rejection : null);
      },
    );
  }

  stop(): void {
    this.running.forEach((upload) => upload.stop());
    this.running.clear();
    this.progress.value = new Map();
  }

  private over(id: string, upload: Upload): boolean {
    if (this.running.get(id) !== upload) return false;
    this.running.delete(id);
    this.note(id, null);
    return true;
  }

  private note(id: string, progress: Progress | null): void {
    const next = new Map(this.progress.value);
    if (progress) next.set(id, progress);
    else next.delete(id);
    this.progress.value = next;
  }
}

class Upload {
  private stopped = false;
  private readonly upload = `u-${uuid()}`;

  constructor(
    private readonly connection: Connection,
    private readonly side: Side<PatientView>,
    private readonly id: string,
    private readonly bytes: Uint8Array,
    private readonly mediaType: string,
    private readonly told: (sent: number) => void,
  ) {}

  stop(): void {
    this.stopped = true;
  }

  /** Raises `Refused` where the box does not take the document. */
  async run(): Promise<void> {
    const size = this.bytes.length;
    const begin = { type: "BEGIN_UPLOAD", field_id: this.id, upload: this.upload, size } as const;
    await this.side.send({ ...begin, sha256: sha256Hex(this.bytes), media_type: this.mediaType });
    while (!this.stopped) {
      await this.allSent();
      if (this.stopped) return;
      try {
        return await this.side.send({ type: "FINISH_UPLOAD", upload: this.upload });
      } catch (error) {
        const again = error instanceof Refused && error.rejection.code === "upload_incomplete";
        if (!again) throw error;
      }
    }
  }

  private get received(): number {
    const document = this.side.view.value?.documents[this.id];
    return document?.upload === this.upload ? (document.received ?? 0) : 0;
  }

  /** Send from where the box is, until it has all. */
  private allSent(): Promise<void> {
    return new Promise((resolve) => {
      let [next, flying, round] = [this.received, 0, 0];
      let timer: ReturnType<typeof setTimeout>;
      const end = () => {
        clearTimeout(timer);
        undo.forEach((one) => one());
        resolve();
      };
      const restart = () => {
        [next, flying, round] = [this.received, 0, round + 1];
        pump();
      };
      const pump = () => {
        clearTimeout(timer);
        timer = setTimeout(restart, QUIET_MS);
        if (this.stopped || this.received >= this.bytes.length) return end();
        while (this.connection.up && flying < IN_FLIGHT && next < this.bytes.length) {
          const piece = this.bytes.subarray(next, next + CHUNK);
          const mine = round;
          flying += 1;
          this.connection.send(this.side.chunkTopic(this.upload, next), piece, (lost) => {
            if (mine !== round || lost) return;
            flying -= 1;
            pump();
          });
          next += piece.length;
        }
      };
      const undo = [
        this.side.view.subscribe(() => {
          this.told(this.received);
          if (this.received >= this.bytes.length) queueMicrotask(pump);
        }),
        this.connection.onUp(() => setTimeout(restart, 0)),
      ];
      pump();
    });
  }
}
