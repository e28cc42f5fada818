// Gives a fuzzer every file of its corpus: `replay-<fuzzer> NAME FOLDER`.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz.hpp"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    std::fprintf(stderr, "%s\n", path.c_str());  // the last one is what broke it
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    // Cut anywhere, too.
    for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 512); ++size)
      (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
  }
  std::printf("RESULT %s fuzz: the corpus of %s\n", files.empty() ? "failed" : "passed", argv[1]);
  return files.empty() ? 1 : 0;
}
