/** Temporary folders that go when this process ends, also by Ctrl-C. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();

/** Makes one. */
export function makeFolder(name: string): string {
  if (folders.size === 0) {
    process.once('exit', () => {
      for (const folder of folders) removeFolder(folder);
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => process.exit(1));
  }
  const folder = mkdtempSync(join(tmpdir(), `certify-${name}-`));
  folders.add(folder);
  return folder;
}

/** Removes one before that. What a server that is just ending still holds on to is left to the system. */
export function removeFolder(folder: string): void {
  folders.delete(folder);
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // It was temporary.
  }
}
