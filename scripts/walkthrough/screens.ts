/** Pictures of pages, by whatever Chromium the machine has (CHROMIUM names another one). */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** No sandbox: it may be run as root, and opens only pages of this machine. No network of its own. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--hide-scrollbars',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--virtual-time-budget=20000',
];

/**
 * Writes a picture of a page, as PNG, once it has come to rest. The page of a run that goes on never does: it is told of
 * each new event. @throws Error when there is no Chromium
 */
export async function takePicture(
  url: string,
  path: string,
  { width, height }: { width: number; height: number },
): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), 'walkthrough-'));
  try {
    await promisify(execFile)(
      process.env['CHROMIUM'] ?? 'chromium',
      [
        ...FLAGS,
        `--user-data-dir=${profile}`,
        `--window-size=${width},${height}`,
        `--screenshot=${path}`,
        url,
      ],
      { timeout: 120_000 },
    );
  } finally {
    rmSync(profile, { recursive: true, force: true });
  }
}
