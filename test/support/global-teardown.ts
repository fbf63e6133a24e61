/** Ends what global-setup.ts started; jest runs both in one process. */
import { startedForAllTests } from './started.ts';

export default async function teardown(): Promise<void> {
  for (const part of startedForAllTests()) await part.stop();
}
