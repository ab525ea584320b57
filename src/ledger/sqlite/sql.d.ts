/** SQL files are imported as text (`with { type: "text" }`) and embedded at build. */
declare module "*.sql" {
  const text: string;
  export default text;
}
