/**
 * Waits for work no longer than a deadline, and no longer than anybody wants its result.
 *
 * The work itself goes on; what becomes of it then is dropped.
 *
 * @param deadline milliseconds
 * @param late makes the error of a deadline that has passed
 * @throws what the work throws, `late`'s error, or the signal's reason
 */
export async function withDeadline<T>(
  work: Promise<T>,
  deadline: number,
  signal: AbortSignal | undefined,
  late: () => Error,
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    };
    const timer = setTimeout(() => {
      settled();
      reject(late());
    }, deadline);
    const aborted = (): void => {
      settled();
      const reason: unknown = signal?.reason;
      reject(reason instanceof Error ? reason : new Error('Nobody waits for the answer.'));
    };
    signal?.addEventListener('abort', aborted);
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
