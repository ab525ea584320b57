/**
 * One connection between a worker and the server: frames arrive in order and late, or not at all once it is cut. While it is stalled
 * (a partition) nothing arrives in either direction, and neither end can tell.
 */
import type { ToServer, ToWorker } from "../../src/protocol/session.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export interface Ends {
  atServer(frames: readonly ToServer[]): void;
  atWorker(frames: readonly ToWorker[]): void;
  /** each end learns of the cut by itself */
  closedAtServer(): void;
  closedAtWorker(): void;
}

export class Connection {
  readonly #clock: Clock;
  readonly #draw: Random;
  readonly #ends: Ends;
  #lastUpMs = 0;
  #lastDownMs = 0;
  #lastLateMs = 0;
  #stalledUntilMs = 0;
  #cut = false;
  /** frames on their way when the cut came arrive after all: they lay in a buffer */
  #lateFrames = false;

  constructor(clock: Clock, draw: Random, ends: Ends) {
    this.#clock = clock;
    this.#draw = draw;
    this.#ends = ends;
  }

  get isCut(): boolean {
    return this.#cut;
  }

  toServer(frames: readonly ToServer[]): void {
    if (this.#cut) return;
    this.#lastUpMs = Math.max(this.#lastUpMs, this.#arrival());
    this.#clock.at(this.#lastUpMs, () => this.#deliver(frames));
  }

  #deliver(frames: readonly ToServer[]): void {
    if (this.#clock.nowMs < this.#stalledUntilMs)
      this.#clock.at(this.#stalledUntilMs, () => this.#deliver(frames));
    else if (!this.#cut) this.#ends.atServer(frames);
    else if (this.#lateFrames) {
      // Late, but in their order.
      this.#lastLateMs = Math.max(this.#lastLateMs, this.#clock.nowMs + this.#draw.between(0, 30));
      this.#clock.at(this.#lastLateMs, () => this.#ends.atServer(frames));
    }
  }

  toWorker(frames: readonly ToWorker[]): void {
    if (this.#cut) return;
    this.#lastDownMs = Math.max(this.#lastDownMs, this.#arrival());
    this.#clock.at(this.#lastDownMs, () => this.#deliverDown(frames));
  }

  #deliverDown(frames: readonly ToWorker[]): void {
    if (this.#clock.nowMs < this.#stalledUntilMs)
      this.#clock.at(this.#stalledUntilMs, () => this.#deliverDown(frames));
    else if (!this.#cut) this.#ends.atWorker(frames);
  }

  #arrival(): number {
    const delay = this.#draw.chance(0.05) ? this.#draw.between(1, 8) : this.#draw.between(0.1, 0.6);
    return Math.max(this.#clock.nowMs, this.#stalledUntilMs) + delay;
  }

  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#clock.nowMs + forMs);
  }

  /** `silentFor`: how long the server does not notice (a half-open connection). */
  cut(options: { lateFrames?: boolean; silentForMs?: number } = {}): void {
    if (this.#cut) return;
    this.#cut = true;
    this.#lateFrames = options.lateFrames ?? false;
    const noticed = options.silentForMs ?? this.#draw.between(0, 3);
    this.#clock.after(noticed, () => this.#ends.closedAtServer());
    this.#clock.after(this.#draw.between(0, 3), () => this.#ends.closedAtWorker());
  }
}
