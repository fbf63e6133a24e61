/** Everything that a round awaits ends: what does not is an error that says what it was. */

/** Resolves as `awaited` does. @throws Error that names `what` when it has not ended after `ms` milliseconds */
export async function within<T>(ms: number, what: () => string, awaited: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Not over after ${Math.round(ms / 1000)} s: ${what()}`)),
      ms,
    );
  });
  awaited.catch(() => undefined); // it may fail after its time, when its error is no news
  try {
    return await Promise.race([awaited, late]);
  } finally {
    clearTimeout(timer);
  }
}
