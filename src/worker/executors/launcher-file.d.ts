/** Imported as a file: its path on disk, or inside the compiled binary. */
declare module "*/holdall-launcher" {
  const path: string;
  export default path;
}
