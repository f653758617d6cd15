/** Calls listeners by the name of the event; Events maps names to what they carry. */
export interface Listening<Events> {
  /** Has listener called at each event of the name. The function it returns ends that. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
}

export interface Emitter<Events> extends Listening<Events> {
  /**
   * A listener that throws is reported as an uncaught error and stops nobody else.
   * Returns whether there was a listener.
   */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): boolean;
}

export function emitter<Events>(): Emitter<Events> {
  const listeners: [name: keyof Events, listener: (event: never) => void][] = [];
  return {
    on(name, listener) {
      const entry: (typeof listeners)[number] = [name, listener];
      listeners.push(entry);
      return () => {
        const i = listeners.indexOf(entry);
        if (i >= 0) listeners.splice(i, 1);
      };
    },
    emit(name, event) {
      const called = listeners.filter(([wanted]) => wanted === name);
      for (const [, listener] of called) {
        try {
          (listener as (e: typeof event) => void)(event);
        } catch (err) {
          queueMicrotask(() => {
            throw err;
          });
        }
      }
      return called.length > 0;
    },
  };
}
