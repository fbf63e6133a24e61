/**
 * Installs the dependencies when package-lock.json asks for others than are there; otherwise does nothing, in 40 ms.
 * `npm run` calls it first, so a fresh clone needs no other step. Plain JavaScript without dependencies, for whatever
 * Node the machine has: the scripts then run on node_modules/.bin/node, which this installs.
 * Several may run at once (one installs, the others wait), and a killed one is made good by the next.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
/** An example has dependencies of its own, and runs on the Node of the whole: `setup.mjs examples/nestjs`. */
const example = process.argv[2];
if (example !== undefined) process.chdir(example);

const LOCK = '.setup.lock';
/** Holds the hash of what is installed; times of files would change at every checkout. */
const STAMP = 'node_modules/.installed';
/** Written by npm when it is done: an installation by hand counts too. */
const NPM_STAMP = 'node_modules/.package-lock.json';
const NODE = 'node_modules/.bin/node';

const wanted = createHash('sha256')
  .update(readFileSync('package-lock.json'))
  .update(process.platform + process.arch)
  .digest('hex');

let told = false;
while (!isInstalled()) {
  const owners = takeLock();
  if (owners.length > 0) {
    if (!told)
      say(`waiting for process ${owners.join(' and ')}, which installs the dependencies …`);
    told = true;
    await sleep(200);
    continue;
  }
  try {
    if (isInstalled()) break;
    if (!isInstalledByHand()) await install();
    if (example === undefined) ensureNode();
    writeFileSync(STAMP, wanted);
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function say(line) {
  console.log(`setup: ${line}`);
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted;
}

/** Whether `npm ci` or `npm install` has put there what package-lock.json says. */
function isInstalledByHand() {
  if (existsSync(STAMP) || !existsSync(NPM_STAMP)) return false;
  const { packages: there } = JSON.parse(readFileSync(NPM_STAMP, 'utf8'));
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  return Object.entries(packages).every(
    ([path, { version, optional }]) =>
      path === '' ||
      (there[path]
        ? there[path].version === version && existsSync(`${path}/package.json`)
        : optional),
  );
}

async function install() {
  const what = example === undefined ? 'the dependencies' : `the dependencies of ${example}`;
  say(`installing ${what} with \`npm ci\`, about half a minute, only once …`);
  rmSync(STAMP, { force: true });
  rmSync(NPM_STAMP, { force: true }); // a killed `npm ci` must not look like a finished one
  // `npm run` names its own npm and the machine's Node; the one in node_modules is about to vanish.
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  const [command, ...first] = npm && node ? [node, npm] : ['npm'];
  const args = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  // npm goes on when only we are killed, so the lock names it, too. It begins when it stands there: the shell reads a line
  // first, and ends where none comes.
  const child = spawn('sh', ['-c', 'read -r _ && exec "$@"', 'sh', command, ...first, ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  writeLock([process.pid, child.pid ?? process.pid]);
  child.stdin.on('error', () => undefined).end('\n');
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  if (status !== 0) fail(`\`npm ci\` ended with ${status}.`);
  say('done');
}

/** npm has a Node 22 for Linux (glibc) and macOS; elsewhere the machine's own must be new enough. */
function ensureNode() {
  if (spawnSync(NODE, ['--version']).status === 0) return;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 18)) {
    fail(
      `npm has no Node for this platform, and this is ${process.version}: install Node 22.18 or newer.`,
    );
  }
  rmSync(NODE, { force: true });
  symlinkSync(process.execPath, NODE);
}

function fail(reason) {
  rmSync(LOCK, { force: true });
  console.error(`setup: ${reason}`);
  process.exit(1);
}

/** Takes the lock and returns [], or returns the living processes that hold it. */
function takeLock() {
  const own = `${LOCK}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, LOCK); // appears with its content or not at all
    return [];
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(own, { force: true });
  }
  const owners = ownersOf(LOCK);
  const alive = owners.filter((pid) => pid !== process.pid && isAlive(pid));
  if (alive.length === 0) setAside(owners);
  return alive.length > 0 ? alive : takeLock();
}

function writeLock(pids) {
  const own = `${LOCK}.${process.pid}`;
  writeFileSync(own, pids.join(' '));
  renameSync(own, LOCK);
}

/** Removes a lock of dead processes, unless somebody took it since it was read: then it is put back. */
function setAside(deadOwners) {
  const aside = `${LOCK}.${process.pid}.dead`;
  try {
    renameSync(LOCK, aside);
    if (String(ownersOf(aside)) !== String(deadOwners)) linkSync(aside, LOCK);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function ownersOf(file) {
  try {
    return readFileSync(file, 'utf8').split(' ').map(Number);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** A zombie has ended, too: who was killed may wait long for its parent. */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  try {
    return !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux'; // only Linux has /proc
  }
}
