/** How Temporal is reached, and whether what it stores is encrypted: TEMPORAL_ADDRESS and its kin, or temporal.toml. */
import type { DataConverter } from '@temporalio/common';
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { codeFile } from './code-file.ts';
import { encryptionCodec } from './codec.ts';
import { ConfigError } from './config-error.ts';
import { reasonOf } from './domain/failure.ts';
import { lenient } from './doors/lenient-codec.ts';
import { parseKeyRing, type KeyRing } from './keys/key-ring.ts';
import { withSecretFiles } from './secret-files.ts';

/** What connecting and making a client takes. */
export type TemporalSettings = ClientConnectConfig & {
  /** To be spread into a client's options; empty where nothing is encrypted. */
  readonly client: { readonly dataConverter?: DataConverter };
  /** The same for a worker: its failures are encrypted, too, and a payload that it cannot read harms nobody else. */
  readonly worker: { readonly dataConverter: DataConverter };
};

/** Reads them from the environment. @throws ConfigError */
export function temporalSettings(env: NodeJS.ProcessEnv = process.env): TemporalSettings {
  const { set, problems } = withSecretFiles(env);
  const ours = problems.filter((problem) => problem.startsWith('TEMPORAL_'));
  if (ours.length > 0) throw new ConfigError(ours);
  return {
    ...loadClientConnectConfig({ overrideEnvVars: set }),
    ...converters(codecKeys(set), readsPlaintext(set)),
  };
}

function codecKeys(set: Readonly<Record<string, string>>): KeyRing | null {
  const text = set['TEMPORAL_CODEC_KEYS'];
  if (text === undefined) return null;
  try {
    return parseKeyRing(text);
  } catch (error) {
    throw new ConfigError([`TEMPORAL_CODEC_KEYS ${reasonOf(error)}`]);
  }
}

/** The switch for turning encryption on while histories from before are left. */
function readsPlaintext(set: Readonly<Record<string, string>>): boolean {
  const switched = set['TEMPORAL_CODEC_PLAINTEXT'] ?? 'refuse';
  if (switched !== 'read' && switched !== 'refuse') {
    throw new ConfigError(['TEMPORAL_CODEC_PLAINTEXT is neither `read` nor `refuse`']);
  }
  return switched === 'read';
}

function converters(
  keys: KeyRing | null,
  plaintext: boolean,
): Pick<TemporalSettings, 'client' | 'worker'> {
  const payloadConverterPath = codeFile('./payload-converter', import.meta.url);
  if (keys === null) return { client: {}, worker: { dataConverter: { payloadConverterPath } } };
  const codec = encryptionCodec(keys, { readsPlaintext: plaintext });
  const failureConverterPath = codeFile('./failure-converter', import.meta.url);
  return {
    client: { dataConverter: { payloadCodecs: [codec] } },
    worker: {
      dataConverter: {
        payloadConverterPath,
        failureConverterPath,
        payloadCodecs: [lenient(codec)],
      },
    },
  };
}
