/** A lock between processes: a file that holds its owner's process number. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isAlive } from './child.ts';

/**
 * Takes the lock and returns null, or returns its living owner's number. The lock of a process that ended without
 * giving it back is taken over; so is one of our own number, which a process before us had (in a container that is
 * started again, for instance).
 */
export function takeLock(path: string): number | null {
  for (;;) {
    if (create(path)) return null;
    const owner = ownerOf(path);
    if (owner === null) continue; // given back in this moment
    if (owner !== process.pid && isAlive(owner)) return owner;
    setAside(path, owner);
  }
}

/** Gives the lock back. */
export function releaseLock(path: string): void {
  if (ownerOf(path) === process.pid) rmSync(path, { force: true });
}

/** A link appears with its content or not at all; a file that is created first and written next can stay empty. */
function create(path: string): boolean {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Between reading the dead owner and removing its lock somebody may have taken it: then it is put back. */
function setAside(path: string, deadOwner: number): void {
  const aside = `${path}.${process.pid}.dead`;
  try {
    renameSync(path, aside);
    if (ownerOf(aside) !== deadOwner) linkSync(aside, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function ownerOf(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
