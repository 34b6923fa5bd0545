// The elements of an XML document.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cim::transfer {

// The start of an element, valid while it is visited.
class XmlElement {
 public:
  XmlElement(std::string_view path, const char* const* attributes) noexcept
      : path_(path), attributes_(attributes) {}

  // The names from the root to the element, without namespaces: "BlockMap/File".
  std::string_view path() const noexcept { return path_; }

  // The value of an attribute; nothing if the element does not have it.
  std::optional<std::string> attribute(std::string_view name) const;

  // The same. Throws Error (corrupt), naming the element, if it does not have it.
  std::string required_attribute(std::string_view name) const;

 private:
  std::string_view path_;
  const char* const* attributes_;  // name, value, …, null
};

// Calls `visit` for each element of `document`, in its order. Throws Error (corrupt) if it is not
// well-formed, or has a document type, which could define entities; and what `visit` throws. May be
// called from many threads at once.
void visit_xml_elements(std::string_view document,
                        const std::function<void(const XmlElement&)>& visit);

}  // namespace cim::transfer
