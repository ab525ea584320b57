/** What a declared file looked like when its task succeeded. */
export interface FileStamp {
  /** absolute */
  path: string;
  role: "input" | "output";
  bytes: number;
  mtimeNs: string;
  /** device, inode and change time: anything that touches the file changes it */
  inode: string;
  /** of the content; null for folders and large files */
  sha256: string | null;
}
