import { join } from "node:path";
import { testLedger } from "../ledger.testsuite.ts";
import { openLedger } from "./open.ts";

testLedger({ name: "sqlite", open: (place) => openLedger(join(place, "state")) });
testLedger({
  name: "sqlite without fsync",
  open: (place) => openLedger(join(place, "state"), { fsync: false }),
});
