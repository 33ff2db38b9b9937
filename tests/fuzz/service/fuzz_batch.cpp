// A file of many orders, from anybody: rows with their lines, or invalid_input.
#include "../fuzzing.h"
#include "service/content/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  const auto rows = fuzz::accepted([&] {
    return service::read_batch(as_text(ByteView(data, size)), {"cn", "san", "key", "new-key", "label"});
  });
  if (!rows) return 0;
  unsigned line = 0;
  for (const service::BatchRow& row : *rows) {
    fuzz::promise(row.line > line, "lines go up");
    line = row.line;
    for (const auto& [column, values] : row.values) {
      fuzz::promise(!values.empty(), "a column that is there has a value");
    }
  }
  return 0;
}
