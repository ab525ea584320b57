/** What Holdall knows about an engine it has a bridge to. Nothing here may load much: every `holdall run` reads it. */

export interface EngineFlag {
  /** port: 0 to 65535; file: must exist, made absolute; text: as given */
  kind: "port" | "file" | "text";
  /** for help, as PORT */
  placeholder: string;
  brief: string;
  /** under which name the bridge is given the value, as --port */
  option: string;
  /** the values there are */
  choices?: readonly string[];
  /** the engine belongs to the user: it is attached to, and may have workers on other hosts */
  attaches: boolean;
}

/** Values of the flags that were given, by the name of the flag. */
export type Given = Readonly<Record<string, string | undefined>>;

/** `Flags`: names of the flags that only this engine has, in camel case; no other engine may have the same. */
export interface Engine<Flags extends string = string> {
  /** in sentences and in `holdall doctor` */
  title: string;
  /** files of a clone that have to be there, the most telling first; they are what `install` makes */
  parts: readonly string[];
  /** that have to be on the PATH where nothing is attached to */
  programs: readonly string[];
  /** a command that gets all of these */
  install: string;
  /** how long it may take until it says hello, on a machine that has much else to do */
  helloMs: number;
  flags: Readonly<Record<Flags, EngineFlag>>;
  /** how long an attempt that was ended from outside waits for the engine to say why (default 0) */
  reasonMs?: number;
  /** attempts may run on other hosts also where nothing is attached to */
  remote?: boolean;
  /** its bridge is told how long work may take (--time-limit), by `--seconds` */
  takesTime?: boolean;
  /**
   * The bridge's command. It is followed by `--launcher FILE --cpus N --memory BYTES`, the options of the flags that were given,
   * and `--context FILE`. `root` is the clone.
   */
  argv(root: string, attached: boolean): readonly string[];
}

export const SETUP_ENGINES = "sh scripts/setup --engines";
