/** What DATABASE_URL may say behind its `?`. The driver lets it override every setting that we send; so little is allowed. */

/** How to connect: TLS, a Unix socket, a port. Nothing here changes how statements run. */
const PARAMETERS = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'host',
  'port',
  'uselibpqcompat',
];
/** The driver takes any other value of `sslmode`, the empty one too, for "no TLS". */
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * What is wrong with an address of PostgreSQL, as a sentence without its subject that names the parameter and never the
 * value; null when nothing is. `options`, `statement_timeout` and their kin would replace our own limits and
 * `synchronous_commit`, and nobody would notice.
 */
export function databaseUrlProblem(text: string): string | null {
  const query = text.includes('?') ? text.slice(text.indexOf('?') + 1) : '';
  const parameters = new URLSearchParams(query.split('#')[0]);
  for (const [name, value] of parameters) {
    if (!PARAMETERS.includes(name)) {
      return `has the parameter ${JSON.stringify(name)}; it may have ${PARAMETERS.join(', ')} (other settings belong to the role: ALTER ROLE … SET …)`;
    }
    if (parameters.getAll(name).length > 1) return `has the parameter "${name}" more than once`;
    if (value === '') return `has an empty parameter "${name}"`;
    if (name === 'sslmode' && !SSL_MODES.includes(value)) {
      return `has an unknown "sslmode"; it may be ${SSL_MODES.join(', ')}`;
    }
  }
  return null;
}
