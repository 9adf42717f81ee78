import { Notification } from 'electron';
import type { AppState } from '../bridge/state.ts';
import { sessionNotifications } from './session-notification.ts';

/** Speaks through the desktop's notifications while the person does not look at the window. */
export class Notifier {
  readonly #isWatched: () => boolean;
  readonly #onClick: (id: string) => void;
  readonly #shown = new Set<Notification>();
  #before: AppState | null = null;

  constructor(isWatched: () => boolean, onClick: (id: string) => void) {
    this.#isWatched = isWatched;
    this.#onClick = onClick;
  }

  /** Compares a state with the one before and tells what changed by itself. */
  update(state: AppState): void {
    const before = this.#before;
    this.#before = state;
    // What happened before the endpoint was reached is no news.
    if (before?.extension.state !== 'active' || state.extension.state !== 'active') return;
    for (const each of sessionNotifications(before, state)) this.show(each.id, each.title, each.body);
  }

  show(id: string, title: string, body: string): void {
    if (this.#isWatched() || !Notification.isSupported()) return;
    const notification = new Notification({ title, body });
    // Held until it closes: a collected notification loses its click.
    this.#shown.add(notification);
    notification.on('click', () => {
      this.#onClick(id);
    });
    notification.on('close', () => {
      this.#shown.delete(notification);
    });
    notification.show();
  }
}
