#include "base/path_walk.h"

#include "base/error.h"
#include "support/temp_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

using namespace hsmbridge;
using hsmbridge::test::TempFolder;

namespace {

// a/b/file, and links: a/up -> ../c/over -> <folder>/a/b
struct Tree {
  TempFolder folder;
  std::filesystem::path root = std::filesystem::canonical(folder.path());
  Tree() {
    std::filesystem::create_directories(root / "a/b");
    std::filesystem::create_directories(root / "c");
    std::ofstream(root / "a/b/file") << "x";
    std::filesystem::create_symlink("../c/over", root / "a/up");
    std::filesystem::create_symlink(root / "a/b", root / "c/over");
  }
  // Of the steps, those inside of the folder.
  std::vector<std::string> passed(const PathWalk& walk) const {
    std::vector<std::string> names;
    for (const PathStep& step : walk.steps) {
      const auto inside = step.path.lexically_relative(root).string();
      if (inside.find("..") == std::string::npos && inside != ".") names.push_back(inside);
    }
    return names;
  }
};

std::optional<ErrorKind> failure_of(const std::filesystem::path& path) {
  try {
    walk_to(path);
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE_METHOD(Tree, "every folder and link on the way to a file is told in the order in which they are passed") {
  const PathWalk plain = walk_to(root / "a/b/file");
  CHECK(plain.steps.front().path == "/");
  CHECK(passed(plain) == std::vector<std::string>{"a", "a/b"});
  CHECK(plain.path == root / "a/b/file");
  CHECK(plain.name == "file");
  const PathWalk linked = walk_to(root / "a/up/file");
  CHECK(passed(linked) == std::vector<std::string>{"a", "a/up", "c", "c/over", "a", "a/b"});
  CHECK(linked.path == root / "a/b/file");
  CHECK(linked.file.valid());
  CHECK_FALSE(linked.through_proc);
}

TEST_CASE_METHOD(Tree, "dots and slashes lead where the kernel says") {
  for (const char* name : {"a//b/./file", "a/b/../b/file", "a/up/../b/file", "c/over/file"}) {
    INFO(name);
    CHECK(walk_to(root / name).path == root / "a/b/file");
  }
  CHECK(walk_to(root / "a/b/").name == ".");
  CHECK(walk_to(root / "a/b/").path == root / "a/b");
  CHECK(walk_to("/").path == "/");
  CHECK(walk_to("/..").path == "/");
  CHECK(failure_of(root / "a/b/file/") == ErrorKind::not_found);
  CHECK(failure_of(root / "a/b/file/x") == ErrorKind::not_found);
  std::filesystem::create_symlink("/", root / "root");
  CHECK(walk_to(root / "root").path == "/");
}

TEST_CASE_METHOD(Tree, "a file that is missing is named where it would be and a folder that is missing is an error") {
  const PathWalk walk = walk_to(root / "a/up/new");
  CHECK_FALSE(walk.file.valid());
  CHECK(walk.path == root / "a/b/new");
  CHECK(walk.name == "new");
  std::filesystem::create_symlink("b/newer", root / "a/dangling");
  CHECK(walk_to(root / "a/dangling").path == root / "a/b/newer");
  CHECK(failure_of(root / "none/file") == ErrorKind::not_found);
  std::filesystem::create_symlink("circle", root / "circle");
  CHECK(failure_of(root / "circle") == ErrorKind::invalid_input);
}

TEST_CASE_METHOD(Tree, "what took the place of the file meanwhile is not opened when it is a link") {
  const PathWalk walk = walk_to(root / "a/b/file");
  CHECK(walk.open(O_RDONLY).valid());
  std::filesystem::rename(root / "a/b/file", root / "a/b/elsewhere");
  std::filesystem::create_symlink("elsewhere", root / "a/b/file");
  CHECK_FALSE(walk.open(O_RDONLY).valid());
}

TEST_CASE_METHOD(Tree, "a folder that is moved away during the walk is still the one that was passed") {
  const PathWalk walk = walk_to(root / "a/b/file");
  std::filesystem::rename(root / "a/b", root / "a/moved");
  std::filesystem::create_directory(root / "a/b");
  std::ofstream(root / "a/b/file") << "other";
  char octet[8]{};
  CHECK(::read(walk.open(O_RDONLY).get(), octet, sizeof octet) == 1);
}

TEST_CASE("what has no name is reached through /proc as the kernel reaches it") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "x", 1) == 1);
  const PathWalk walk = walk_to("/dev/fd/" + std::to_string(ends[0]));
  CHECK(walk.through_proc);
  char octet = 0;
  CHECK(::read(walk.open(O_RDONLY).get(), &octet, 1) == 1);
  CHECK(octet == 'x');
  ::close(ends[0]);
  ::close(ends[1]);
}
