type Listener<Arguments extends readonly unknown[]> = (...args: Arguments) => void;

/** Events by name, each with the arguments that its listeners receive. */
export type EventMap<Events> = { readonly [E in keyof Events]: readonly unknown[] };

/**
 * Calls listeners in the order in which they were added.
 *
 * A listener that throws neither keeps the others from being called nor reaches the one who emitted; its error is
 * thrown on its own, as from a timer.
 */
export class TypedEmitter<Events extends EventMap<Events>> {
  readonly #listeners: { [E in keyof Events]?: Set<Listener<Events[E]>> } = {};

  /**
   * Calls the listener at each later event of this name.
   *
   * @returns a function that ends it
   */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void {
    const listeners: Set<Listener<Events[E]>> = this.#listeners[event] ?? new Set();
    this.#listeners[event] = listeners;
    // A wrapper of its own, so that one function added twice is called twice.
    const added: Listener<Events[E]> = (...args) => {
      listener(...args);
    };
    listeners.add(added);
    return () => {
      listeners.delete(added);
    };
  }

  protected emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    for (const listener of [...(this.#listeners[event] ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
