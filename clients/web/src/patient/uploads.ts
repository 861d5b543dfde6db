// A document on its way to the box: in pieces, a few in flight, resumed where the box has it.
import { signal } from "@preact/signals";
import type { PatientView, Rejection } from "../../generated/wire.ts";
import { dropUnsent, keepUnsent, unsentOf } from "../lib/photo-store.ts";
import { Refused } from "../lib/requests.ts";
import type { Connection } from "../lib/connection.ts";
import { sha256Hex, uuid } from "../lib/ids.ts";
import type { Session } from "../lib/session.ts";
import type { Progress } from "../fields/sheet.ts";

/** One message: what a slow link gets through within a keepalive. */
const CHUNK = 64 * 1024;
const IN_FLIGHT = 3;
/** After so long without a word, say it again from where the box is. */
const QUIET_MS = 8_000;

/** Called with null where it was not the box that refused. */
type Failed = (id: string, rejection: Rejection | null) => void;

export class Uploads {
  readonly progress = signal<ReadonlyMap<string, Progress>>(new Map());
  /** What was sent from here, to be looked at: object URLs, by field. */
  readonly pictures = signal<ReadonlyMap<string, string>>(new Map());
  private readonly running = new Map<string, Upload>();
  private readonly connection: Connection;
  private readonly session: Session<PatientView>;
  private readonly failed: Failed;

  constructor(connection: Connection, session: Session<PatientView>, failed: Failed) {
    this.connection = connection;
    this.session = session;
    this.failed = failed;
  }

  /** Resume what the page before a reload had not sent. */
  async takeUp(): Promise<void> {
    for (const { field, mediaType, sealed } of await unsentOf(this.session.id)) {
      const bytes = this.session.unsealDocument(field, sealed);
      if (bytes && !this.running.has(field)) this.begin(field, bytes, mediaType);
    }
  }

  begin(id: string, bytes: Uint8Array, mediaType: string): void {
    this.running.get(id)?.stop();
    const sealed = this.session.sealDocument(id, bytes);
    if (sealed) void keepUnsent({ session: this.session.id, field: id, mediaType, sealed });
    this.show(id, mediaType.startsWith("image/") ? URL.createObjectURL(new Blob([bytes.slice()], { type: mediaType })) : null);
    const upload = new Upload(this.connection, this.session, { id, bytes, mediaType }, (sent) => {
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

  /** Nothing that was sent stays on the page. */
  forgetPictures(): void {
    [...this.pictures.value.keys()].forEach((id) => this.show(id, null));
  }

  private show(id: string, url: string | null): void {
    const known = this.pictures.value.get(id);
    if (known) URL.revokeObjectURL(known);
    const next = new Map(this.pictures.value);
    if (url) next.set(id, url);
    else next.delete(id);
    this.pictures.value = next;
  }

  stop(): void {
    this.forgetPictures();
    this.running.forEach((upload) => upload.stop());
    this.running.clear();
    this.progress.value = new Map();
  }

  private over(id: string, upload: Upload): boolean {
    if (this.running.get(id) !== upload) return false;
    this.running.delete(id);
    void dropUnsent(this.session.id, id);
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

interface Content {
  id: string;
  bytes: Uint8Array;
  mediaType: string;
}

class Upload {
  private stopped = false;
  private readonly upload = `u-${uuid()}`;
  private readonly connection: Connection;
  private readonly session: Session<PatientView>;
  private readonly content: Content;
  private readonly told: (sent: number) => void;

  constructor(connection: Connection, session: Session<PatientView>, content: Content, told: (sent: number) => void) {
    this.connection = connection;
    this.session = session;
    this.content = content;
    this.told = told;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Raises `Refused` where the box does not take the document. */
  async run(): Promise<void> {
    const { id, bytes, mediaType } = this.content;
    const begin = { type: "BEGIN_UPLOAD", field_id: id, upload: this.upload, size: bytes.length } as const;
    await this.session.send({ ...begin, sha256: sha256Hex(bytes), media_type: mediaType });
    for (;;) {
      await this.allSent();
      if (this.stopped) return;
      try {
        await this.session.send({ type: "FINISH_UPLOAD", upload: this.upload });
        return;
      } catch (error) {
        const again = error instanceof Refused && error.rejection.code === "upload_incomplete";
        if (!again) throw error;
      }
    }
  }

  private get received(): number {
    const document = this.session.view.value?.documents[this.content.id];
    return document?.upload === this.upload ? (document.received ?? 0) : 0;
  }

  /** Send from where the box is, until it has all. */
  private allSent(): Promise<void> {
    const { bytes } = this.content;
    return new Promise((resolve) => {
      let [next, flying, round] = [this.received, 0, 0];
      let begun = false;
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
        if (this.stopped || this.received >= bytes.length) {
          end();
          return;
        }
        while (this.connection.up && flying < IN_FLIGHT && next < bytes.length) {
          const piece = bytes.subarray(next, next + CHUNK);
          const mine = round;
          flying += 1;
          this.connection.send(this.session.chunkTopic(this.upload, next), piece, (lost) => {
            if (mine !== round || lost) return;
            flying -= 1;
            pump();
          });
          next += piece.length;
        }
      };
      const undo = [
        this.session.view.subscribe(() => {
          this.told(this.received);
          if (this.received >= bytes.length) queueMicrotask(pump);
        }),
        this.connection.onUp(() => {
          // Not for the connection that stands already.
          if (begun) setTimeout(restart, 0);
        }),
      ];
      begun = true;
      pump();
    });
  }
}
