import { Notification } from 'electron';
import type { AppState } from '../bridge/state.ts';
import { sessionNews, type SessionStories } from './session-notification.ts';

/** Speaks through the desktop's notifications while the person does not look at the window. */
export class Notifier {
  readonly #isWatched: () => boolean;
  readonly #onClick: (id: string) => void;
  readonly #shown = new Set<Notification>();
  #stories: SessionStories = new Map();

  constructor(isWatched: () => boolean, onClick: (id: string) => void) {
    this.#isWatched = isWatched;
    this.#onClick = onClick;
  }

  /** Compares a state with the one before and tells what changed by itself. */
  update(state: AppState): void {
    // What happened before the endpoint was reached, or while it was away, is no news.
    if (state.extension.state !== 'active') {
      this.#stories = new Map();
      return;
    }
    const { stories, notifications } = sessionNews(this.#stories, state);
    this.#stories = stories;
    for (const each of notifications) this.show(each.id, each.title, each.body);
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
