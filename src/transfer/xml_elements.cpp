// The elements of an XML document.
#include "transfer/xml_elements.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <cim/error.h>
#include <expat.h>
#include <fmt/format.h>

namespace cim::transfer {
namespace {

constexpr char namespace_separator = '\n';  // in no name

std::uint64_t current_line(XML_Parser parser) {
#if XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION < 9
  return XML_GetCurrentLineNumber(parser);
#else
  return XML_GetCurrentLineNumber64(parser);  // deprecates the other
#endif
}

class Parser {
 public:
  explicit Parser(const std::function<void(const XmlElement&)>& visit)
      : parser_(XML_ParserCreateNS(nullptr, namespace_separator)), visit_(visit) {
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), on_start, on_end);
    XML_SetStartDoctypeDeclHandler(parser_.get(), on_document_type);
  }

  void parse(std::string_view document) {
    // Expat looks ahead in what it has been given, so it is given little at once.
    constexpr std::size_t chunk_size = 1 << 20;
    do {
      const std::string_view chunk = document.substr(0, chunk_size);
      document.remove_prefix(chunk.size());
      const auto status = XML_Parse(parser_.get(), chunk.data(), static_cast<int>(chunk.size()),
                                    document.empty() ? 1 : 0);
      if (failure_) std::rethrow_exception(failure_);
      if (status != XML_STATUS_OK)
        throw malformed(XML_ErrorString(XML_GetErrorCode(parser_.get())));
    } while (!document.empty());
  }

 private:
  struct Free {
    void operator()(XML_Parser parser) const noexcept { XML_ParserFree(parser); }
  };

  static void on_start(void* self, const char* name, const char** attributes) {
    static_cast<Parser*>(self)->start(name, attributes);
  }
  static void on_end(void* self, const char*) { static_cast<Parser*>(self)->end(); }
  static void on_document_type(void* self, const char*, const char*, const char*, int) {
    auto* const parser = static_cast<Parser*>(self);
    parser->stop(std::make_exception_ptr(parser->malformed("document types are not allowed")));
  }

  void start(std::string_view name, const char* const* attributes) {
    if (failure_) return;
    if (!path_.empty()) path_ += '/';
    path_ += name.substr(name.rfind(namespace_separator) + 1);  // npos + 1 is 0
    try {
      visit_(XmlElement(path_, attributes));
    } catch (...) {
      stop(std::current_exception());  // it must not pass through expat
    }
  }

  void end() {
    const std::size_t slash = path_.rfind('/');
    path_.resize(slash == std::string::npos ? 0 : slash);
  }

  void stop(std::exception_ptr failure) {
    failure_ = std::move(failure);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  Error malformed(std::string_view reason) const {
    return {Errc::corrupt, fmt::format("is not well-formed XML at line {}: {}",
                                       current_line(parser_.get()), reason)};
  }

  std::unique_ptr<std::remove_pointer_t<XML_Parser>, Free> parser_;
  const std::function<void(const XmlElement&)>& visit_;
  std::string path_;
  std::exception_ptr failure_;
};

}  // namespace

std::optional<std::string> XmlElement::attribute(std::string_view name) const {
  for (const char* const* pair = attributes_; *pair != nullptr; pair += 2) {
    if (*pair == name) return pair[1];
  }
  return std::nullopt;
}

std::string XmlElement::required_attribute(std::string_view name) const {
  if (auto value = attribute(name)) return *std::move(value);
  throw Error(Errc::corrupt, fmt::format("has no attribute {}", name))
      .with_object(fmt::format("element {}", path_));
}

void visit_xml_elements(std::string_view document,
                        const std::function<void(const XmlElement&)>& visit) {
  Parser(visit).parse(document);
}

}  // namespace cim::transfer
