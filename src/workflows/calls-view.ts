import { patched } from '@temporalio/workflow';
import { type GateTimer, startTimer } from './gate-timer.ts';
import type { Turn, Waiting } from './operator-details.ts';
import { describeOnPage, showWaiting } from './operator-view.ts';

/** For so long the list of runs may go on saying that a call waits which runs. */
const LIST_BEHIND_MS = 1_000;

/**
 * What operators read of a step's calls. That something waits is said at once. That it no longer does is on the run's page
 * at once, but in the list of runs a moment later: a server may write its list before it hands out the call.
 */
export class CallsView {
  readonly #turn: Turn;
  readonly #waiting: () => Waiting[];
  /** Whether the list says that something waits. */
  #listed = false;
  /** Null before this step has listed anything. */
  #mayBeBehind: boolean | null = null;
  #later: GateTimer | null = null;

  constructor(turn: Turn, waiting: () => Waiting[]) {
    this.#turn = turn;
    this.#waiting = waiting;
  }

  show(): void {
    this.#list(this.#waiting());
  }

  /** Something waits no longer, and what follows should not wait for the list. */
  showLater(): void {
    if (this.#mayBeBehind) {
      describeOnPage(this.#turn, this.#waiting());
      this.#later ??= startTimer(LIST_BEHIND_MS, 'list of runs', () => this.show());
    } else this.show();
  }

  /** The step is over. Search attributes outlive the run: the next one would be listed as waiting, too. */
  close(): void {
    this.#list([]);
  }

  #list(waiting: Waiting[]): void {
    this.#later?.stop();
    this.#later = null;
    if (waiting.length === 0 && !this.#listed) return;
    this.#listed = waiting.length > 0;
    // Asked here, because the first such question of a run is a write to the list as well.
    this.#mayBeBehind ??= patched('list-behind');
    showWaiting(this.#turn, waiting);
  }
}
