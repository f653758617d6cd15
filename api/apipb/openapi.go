package apipb

import _ "embed"

//go:generate ./generate.sh

// OpenAPI is the OpenAPI 3.1 document of the paths under /api, as JSON. Nobody
// changes it.
//
//go:embed openapi.json
var OpenAPI []byte
